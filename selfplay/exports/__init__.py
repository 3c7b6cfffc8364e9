"""Exports: what a run has made, for the next tool; `selfplay export` is these calls."""

from selfplay.exports.job import Exported, export, exporting
from selfplay.exports.layouts import LAYOUTS
from selfplay.exports.options import Cleaning, ExportOptions, Filters, Top
from selfplay.exports.plan import Progress

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
