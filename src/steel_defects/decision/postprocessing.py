"""From probability maps to masks: thresholds, smallest area and presence cut of each class.

The threshold is one with hysteresis (Canny 1986, IEEE TPAMI 8): a low one draws the outline, a high
one, the seed threshold, decides whether a region is a defect at all. A single threshold has to
trade one for the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, NonNegativeInt, model_validator

from steel_defects.config import Config, Record, Share
from steel_defects.decision.fusion import ClassPresence, probability_at_area
from steel_defects.decision.regions import (
    Probability,
    level_of,
    regions_above,
    seeded,
    window_above,
)

Mask = NDArray[np.uint8]

_DEFECTIVE = 0.5  # the gate's calibrated score from which a sheet is more likely defective than not


@dataclass(frozen=True)
class SheetPrediction:
    """What a segmenter says of a sheet.

    Attributes:
        maps: Probability of each class at each pixel, ``(height, width, classes)``, uint8, 255 for
            certain.
        presence: Probability that each class occurs on the sheet, ``(classes,)``, float32, 0 to 1.
    """

    maps: NDArray[np.uint8]
    presence: NDArray[np.float32]


class PostprocessingGrid(Config):
    """Values that tuning tries for each class, in every combination.

    Attributes:
        thresholds: Probabilities from which a pixel counts as defective.
        seed_thresholds: Probabilities that some pixel of a region must reach, or the region goes;
            up to the threshold they make no difference.
        min_areas_px: Smallest areas of a region, pixels of the sheet.
        presence_cuts: Probabilities of the class's presence below which its mask is emptied.
        gate_area_factors: By how much of itself the smallest area grows where the gate sees no
            defect; without a gate they make no difference.
    """

    thresholds: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(min_length=1)
    seed_thresholds: tuple[Share, ...] = Field(default=(0.0,), min_length=1)
    min_areas_px: tuple[NonNegativeInt, ...] = Field(min_length=1)
    presence_cuts: tuple[Share, ...] = Field(default=(0.0,), min_length=1)
    gate_area_factors: tuple[NonNegativeFloat, ...] = Field(default=(0.0,), min_length=1)


class ClassPostprocessing(Config):
    """What tuning chose for a class, and the mean Dice it has on the validation sheets.

    The smallest area is ``min_area_px * (1 + gate_area_factor * (1 - gate_score))``, and just
    ``min_area_px`` without a gate. ``presence`` says how likely the class is, for ``presence_cut``;
    None leaves that to the network's presence head.
    """

    threshold: float = Field(gt=0, lt=1)
    seed_threshold: Share = 0.0
    min_area_px: int = Field(ge=0)
    presence_cut: Share = 0.0
    gate_area_factor: NonNegativeFloat = 0.0
    presence: ClassPresence | None = None
    validation_dice: float | None = None

    @property
    def grid(self) -> PostprocessingGrid:
        """These values as the only ones to try."""
        return PostprocessingGrid(**{many: (getattr(self, one),) for one, many in TUNED.items()})


#: The settings that tuning chooses, and the values of the grid that it tries for them, in order.
TUNED = {
    "threshold": "thresholds",
    "seed_threshold": "seed_thresholds",
    "min_area_px": "min_areas_px",
    "presence_cut": "presence_cuts",
    "gate_area_factor": "gate_area_factors",
}


class Postprocessing(Record):
    """What tuning chose for each class.

    Attributes:
        classes: The settings of each class, in order.
        models: The weights that they belong to; see :mod:`steel_defects.models.trained`.
    """

    classes: tuple[ClassPostprocessing, ...] = ()
    models: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _of_numbered_classes(cls, content: Any) -> Any:
        """Read the layout of earlier releases, which numbered the classes."""
        if not isinstance(content, dict) or "classes" in content:
            return content
        classes = [value for key, value in content.items() if key.isdigit()]
        return {"classes": classes, "models": content.get("models", {})}

    @property
    def validation_dice(self) -> float | None:
        """Mean Dice of the classes on validation; None where some class has none."""
        values = [one.validation_dice for one in self.classes if one.validation_dice is not None]
        return float(np.mean(values)) if values and len(values) == len(self.classes) else None


def class_presence(
    prediction: SheetPrediction,
    settings: Sequence[ClassPostprocessing],
    gate_score: float | None = None,
) -> NDArray[np.float32]:
    """Return the probability that each class occurs, ``(classes,)``; see :func:`sheet_masks`."""
    likely = np.array(prediction.presence, np.float32)
    gate = np.nan if gate_score is None else gate_score
    for k, values in enumerate(settings):
        if values.presence:
            on_map = probability_at_area(prediction.maps[..., k], values.presence.area_px)
            answers = np.array([float(prediction.presence[k]), on_map, gate])
            likely[k] = values.presence.probability(answers)
    return likely


def sheet_masks(
    maps: Probability,
    presence: NDArray[np.float32],
    settings: Sequence[ClassPostprocessing],
    gate_score: float | None = None,
) -> list[Mask]:
    """Turn what a segmenter says of a sheet into the mask of each class.

    A class is left empty below its presence cut. Where the gate holds the sheet for defective, and
    no class is left, the likeliest that the map shows is outlined after all, if need be at half its
    thresholds and half the smallest area: some class it must be. That takes presences that were
    fitted, whose order among the classes can be relied on.

    Args:
        maps: Of shape ``(height, width, classes)``, uint8, 255 for certain.
        presence: From :func:`class_presence`, ``(classes,)``, 0 to 1.
        settings: Of classes 1, 2, ….
        gate_score: Calibrated score of the gate, 0 to 1; None without a gate.

    Returns:
        Masks of shape ``(height, width)``, 0 or 1.
    """
    masks = [np.zeros(maps.shape[:2], np.uint8) for _ in settings]

    def outline(k: int, share: float = 1.0) -> bool:
        values = settings[k]
        smallest = values.min_area_px * area_scale(values.gate_area_factor, gate_score)
        levels = (share * values.threshold, share * values.seed_threshold)
        masks[k] = to_mask(maps[..., k], levels[0], share * smallest, levels[1])
        return bool(masks[k].any())

    likely = [float(value) for value in presence]
    left = [outline(k) for k, values in enumerate(settings) if likely[k] >= values.presence_cut]
    defective = gate_score is not None and gate_score >= _DEFECTIVE
    if defective and not any(left) and all(values.presence for values in settings):
        ranked = sorted(range(len(settings)), key=lambda k: -likely[k])
        any(outline(k, share) for share in (1.0, 0.5) for k in ranked)
    return masks


def area_scale(factor: float, gate_score: float | None) -> float:
    """Return how many times the smallest area a region must have; 1 without a gate."""
    return 1.0 if gate_score is None else 1 + factor * (1 - gate_score)


def to_mask(
    probability: Probability, threshold: float, min_area_px: float, seed_threshold: float = 0.0
) -> Mask:
    """Keep the regions of a probability map that are certain and large enough.

    Args:
        probability: Map of shape ``(height, width)``, uint8, 255 for certain.
        threshold: Probability, 0 to 1, from which a pixel belongs to a region.
        min_area_px: Area, pixels of the map, from which a region is kept.
        seed_threshold: Probability, 0 to 1, that some pixel of a region must reach.

    Returns:
        Mask of the same shape, 0 or 1.
    """
    mask = np.zeros(probability.shape, np.uint8)
    window = window_above(probability, level_of(threshold))
    labels, areas = regions_above(probability[window], threshold)
    keep = areas >= max(1, min_area_px)
    keep &= seeded(labels, len(areas), probability[window], max(threshold, seed_threshold))
    keep[0] = False
    mask[window] = keep[labels]
    return mask
