"""Finds and outlines defects on steel sheets."""

__version__ = "0.1.0"
