"""Exports: what a run has made, for the next tool; `selfplay export` is these calls."""

from selfplay.export.job import Exported, export, exporting
from selfplay.export.layouts import LAYOUTS
from selfplay.export.options import Cleaning, ExportOptions, Filters, Top
from selfplay.export.plan import Progress

__all__ = [
    "LAYOUTS",
    "Cleaning",
    "ExportOptions",
    "Exported",
    "Filters",
    "Progress",
    "Top",
    "export",
    "exporting",
]
