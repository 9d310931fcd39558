"""Exports of a package's networks, for machines without Keras."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
