"""Reports: a run, or several side by side, as one HTML page that needs nothing but a browser.

Everything is read from ledgers opened for reading: live, crashed and finished runs.
"""

from selfplay.report.comparison import Comparison, compare, write_comparison
from selfplay.report.sections import ReportOptions
from selfplay.report.serving import report_server
from selfplay.report.writing import write_report

__all__ = [
    "Comparison",
    "ReportOptions",
    "compare",
    "report_server",
    "write_comparison",
    "write_report",
]
