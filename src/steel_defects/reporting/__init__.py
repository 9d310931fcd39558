"""Figures, overlays and the report."""
