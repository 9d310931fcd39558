"""Finds and outlines defects on steel sheets."""

from steel_defects.environment import prepare

__version__ = "0.1.0"

prepare()
