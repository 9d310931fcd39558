"""What goes to people who label, and which labels are in doubt."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
