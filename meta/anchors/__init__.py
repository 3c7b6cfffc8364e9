"""Anchors: responses whose worth is known, on which rubrics are tried."""
