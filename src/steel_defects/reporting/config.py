"""Parameters of figures, overlays and the report."""

from pydantic import Field

from steel_defects.config import Config


class ReportingConfig(Config):
    """What the report shows.

    Attributes:
        overlays: Most test sheets to draw.
        robustness_sheets: Most test sheets on which robustness is measured; 0 leaves it out.
        target_false_alarm_rate: Share of clean sheets that a line can bear to have looked at, a
            value to be set by the mill; null for no target.
        seed: Decides which sheets are drawn and explained.
    """

    overlays: int = Field(ge=8)
    robustness_sheets: int = Field(default=0, ge=0)
    target_false_alarm_rate: float | None = Field(default=None, gt=0, lt=1)
    seed: int = Field(ge=0)
