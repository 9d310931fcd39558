"""Parameters of figures, overlays and the report."""

from pydantic import Field

from steel_defects.config import Config


class ReportingConfig(Config):
    """What the report shows.

    Attributes:
        overlays: Most test sheets to draw.
        seed: Decides which ones.
    """

    overlays: int = Field(ge=8)
    seed: int = Field(ge=0)
