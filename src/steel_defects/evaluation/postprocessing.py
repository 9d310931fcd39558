"""From probability maps to masks: thresholds, smallest area and presence cut of each class.

The threshold is one with hysteresis (Canny 1986, IEEE TPAMI 8): a low one draws the outline, a high
one, the seed threshold, decides whether a region is a defect at all. A single threshold has to
trade one for the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, NonNegativeInt

from steel_defects.config import Config
from steel_defects.evaluation.class_presence import (
    AREA_PX,
    ClassPresence,
    PresenceEvidence,
    fit_presence,
    reached_on,
)

Probability = NDArray[np.uint8]
Mask = NDArray[np.uint8]
Share = Annotated[float, Field(ge=0, le=1)]

_DEFECTIVE = 0.5  # the gate's calibrated score from which a sheet is more likely defective than not


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
        return PostprocessingGrid(
            thresholds=(self.threshold,),
            seed_thresholds=(self.seed_threshold,),
            min_areas_px=(self.min_area_px,),
            presence_cuts=(self.presence_cut,),
            gate_area_factors=(self.gate_area_factor,),
        )


def class_presence(
    maps: Probability,
    heads: NDArray[np.float32],
    settings: Sequence[ClassPostprocessing],
    gate_score: float | None = None,
) -> NDArray[np.float32]:
    """Return the probability that each class occurs, as :func:`sheet_masks` takes it.

    Args:
        maps: Of shape ``(height, width, classes)``, uint8, 255 for certain.
        heads: What the presence head says of each class, ``(classes,)``, 0 to 1.
        settings: Of classes 1, 2, ….
        gate_score: Calibrated score of the gate, 0 to 1; None without a gate.
    """
    found = np.array(heads, np.float32)
    gate = np.array(np.nan if gate_score is None else gate_score)
    for k, values in enumerate(settings):
        if values.presence:
            on_map = np.array(reached_on(maps[..., k], values.presence.area_px))
            found[k] = values.presence.probability(np.array(float(heads[k])), on_map, gate)
    return found


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
        smallest = values.min_area_px * _area_scale(values.gate_area_factor, gate_score)
        levels = (share * values.threshold, share * values.seed_threshold)
        masks[k] = to_mask(maps[..., k], levels[0], share * smallest, levels[1])
        return bool(masks[k].any())

    likely = [float(value) for value in presence]
    found = [outline(k) for k, values in enumerate(settings) if likely[k] >= values.presence_cut]
    defective = gate_score is not None and gate_score >= _DEFECTIVE
    if defective and not any(found) and all(values.presence for values in settings):
        ranked = sorted(range(len(settings)), key=lambda k: -likely[k])
        any(outline(k, share) for share in (1.0, 0.5) for k in ranked)
    return masks


def _area_scale(factor: float, gate_score: float | None) -> float:
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
    window = _window_above(probability, _level(threshold))
    labels, areas = _regions(probability[window], threshold)
    keep = areas >= max(1, min_area_px)
    keep &= _seeded(labels, len(areas), probability[window], max(threshold, seed_threshold))
    keep[0] = False
    mask[window] = keep[labels]
    return mask


def _level(threshold: float) -> int:
    """Return the lowest value of a map that reaches a threshold; 0 never does."""
    return max(1, round(threshold * 255))


def _regions(
    probability: Probability, threshold: float
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Label the 8-connected regions above a threshold; number 0 is the rest."""
    above = (probability >= _level(threshold)).astype(np.uint8)
    if not above.any():
        return np.zeros(above.shape, np.int32), np.zeros(1, np.int64)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(above)
    return np.asarray(labels, np.int32), stats[:, cv2.CC_STAT_AREA].astype(np.int64)


def _seeded(
    labels: NDArray[np.int32], count: int, probability: Probability, seed_threshold: float
) -> NDArray[np.bool_]:
    """Say of each of ``count`` labels whether one of its pixels reaches the seed threshold."""
    found = np.zeros(count, np.bool_)
    found[labels[probability >= _level(seed_threshold)]] = True
    return found


@dataclass
class ClassTuner:
    """Finds the settings of one class with the highest mean Dice, from sheets shown one by one.

    The score is the competition's: two empty masks agree fully. Regions are labelled once for each
    threshold, and no map is kept.

    Attributes:
        grid: The values to try.
        pixel_share: Pixels of a map for one pixel of its sheet, 0.25 for maps of half the size.
    """

    grid: PostprocessingGrid
    pixel_share: float = 1.0
    _kept: list[NDArray[np.float64]] = field(default_factory=list)
    _emptied: list[float] = field(default_factory=list)
    _evidence: list[tuple[float, float, float]] = field(default_factory=list)

    @classmethod
    def joined(cls, tuners: Sequence["ClassTuner"]) -> "ClassTuner":
        """Return a tuner that has been shown the sheets of all of these, which share a grid."""
        together = cls(tuners[0].grid, tuners[0].pixel_share)
        for one in tuners:
            together._kept += one._kept
            together._emptied += one._emptied
            together._evidence += one._evidence
        return together

    def add(
        self,
        probability: Probability,
        truth: Mask,
        presence: float = 1.0,
        gate_score: float | None = None,
    ) -> None:
        """Measure a sheet at every combination of thresholds, smallest area and factor.

        Args:
            probability: Map of shape ``(height, width)``, uint8, 255 for certain.
            truth: True mask of the same shape, 0 or 1.
            presence: What the presence head says of the class, 0 to 1.
            gate_score: Calibrated score of the gate; None without a gate.
        """
        on_map = reached_on(probability, AREA_PX * self.pixel_share)
        gate = np.nan if gate_score is None else gate_score
        self._evidence.append((float(presence), on_map, gate))
        scales = [_area_scale(factor, gate_score) for factor in self._factors]
        areas = np.outer(self._areas, scales) * self.pixel_share
        true_px = int(np.count_nonzero(truth))
        window = _window_above(probability, _level(self._thresholds[0]))
        probability, truth = probability[window], truth[window]
        self._kept.append(
            np.stack([
                _dice(probability, truth, true_px, t, self._seeds, areas) for t in self._thresholds
            ])
        )  # fmt: skip
        self._emptied.append(float(true_px == 0))

    def best(self, presence: ClassPresence | None = None) -> ClassPostprocessing:
        """Return the best combination, with ``presence`` in place of what the head says.

        Between equals the lower threshold, then the lower seed threshold, smaller area, presence
        cut and factor; without sheets the lowest of each.
        """
        tried: tuple[Sequence[float], ...] = (
            self._thresholds, self._seeds, self._areas, self._cuts, self._factors
        )  # fmt: skip
        shape = tuple(len(values) for values in tried)
        scores = np.zeros(shape)
        count = len(self._kept)
        if count:
            kept, likely = np.stack(self._kept), self._likely(presence)
            emptied = np.array(self._emptied)[:, None, None, None, None]
            for number, cut in enumerate(self._cuts):
                gone = (likely < cut)[:, None, None, None, None]
                scores[:, :, :, number] = np.where(gone, emptied, kept).sum(axis=0) / count
        place = np.unravel_index(int(scores.argmax()), shape)
        return ClassPostprocessing(
            threshold=self._thresholds[place[0]],
            seed_threshold=self._seeds[place[1]],
            min_area_px=self._areas[place[2]],
            presence_cut=self._cuts[place[3]],
            gate_area_factor=self._factors[place[4]],
            presence=presence,
            validation_dice=float(scores[place]) if count else None,
        )

    @property
    def evidence(self) -> PresenceEvidence:
        """What is known of the presence of the class on the sheets, and whether it occurs."""
        head, on_map, gate = np.array(self._evidence, np.float64).reshape(-1, 3).T
        return PresenceEvidence(head, on_map, gate, np.array(self._emptied) == 0)

    def _likely(self, presence: ClassPresence | None) -> NDArray[np.float64]:
        known = self.evidence
        return (
            presence.probability(known.head, known.on_map, known.gate) if presence else known.head
        )

    @property
    def _thresholds(self) -> list[float]:
        return sorted(self.grid.thresholds)

    @property
    def _seeds(self) -> list[float]:
        return sorted(self.grid.seed_thresholds)

    @property
    def _areas(self) -> list[int]:
        return sorted(self.grid.min_areas_px)

    @property
    def _cuts(self) -> list[float]:
        return sorted(self.grid.presence_cuts)

    @property
    def _factors(self) -> list[float]:
        return sorted(self.grid.gate_area_factors)


def best_settings(tuners: Sequence[ClassTuner]) -> list[ClassPostprocessing]:
    """Return the best combination of each class, after fitting the presence of all together.

    Args:
        tuners: Of classes 1, 2, …, with sheets that neither gate nor segmenter had seen.
    """
    fitted = fit_presence([tuner.evidence for tuner in tuners])
    if fitted is None:
        return [tuner.best() for tuner in tuners]
    return [tuner.best(presence) for tuner, presence in zip(tuners, fitted, strict=True)]


def _window_above(probability: Probability, level: int) -> tuple[slice, slice]:
    """Return the smallest window that has all pixels from a level on; most of a sheet is below."""
    x, y, width, height = cv2.boundingRect((probability >= level).astype(np.uint8))
    return slice(y, y + height), slice(x, x + width)


def _dice(
    probability: Probability,
    truth: Mask,
    true_px: int,
    threshold: float,
    seeds: Sequence[float],
    min_areas: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Dice of one sheet for every seed threshold and smallest area, from a single labelling.

    Returns:
        Of shape ``(seeds, *min_areas.shape)``.
    """
    labels, areas = _regions(probability, threshold)
    hits = np.bincount(labels[truth > 0], minlength=len(areas))
    order = 1 + np.argsort(areas[1:])
    seeded = (_seeded(labels, len(areas), probability, max(threshold, seed)) for seed in seeds)
    return np.stack([
        _dice_from(areas[kept], hits[kept], true_px, min_areas)
        for kept in (order[reached[order]] for reached in seeded)
    ])  # fmt: skip


def _dice_from(
    areas: NDArray[np.int64],
    hits: NDArray[np.int64],
    true_px: int,
    min_areas: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Dice of the regions from every smallest area on; ``areas`` ascend, ``hits`` are theirs."""
    # What is kept from the n-th smallest region on; the last entry is nothing at all.
    kept_px = np.append(areas[::-1].cumsum()[::-1], 0)
    kept_hits = np.append(hits[::-1].cumsum()[::-1], 0)
    first = np.searchsorted(areas, min_areas, side="left")
    total = kept_px[first] + true_px
    scores = 2 * kept_hits[first] / np.maximum(total, 1)
    return np.asarray(np.where(total == 0, 1.0, scores), np.float64)


def class_settings(values: Sequence[ClassPostprocessing]) -> dict[str, dict[str, Any]]:
    """Turn the settings of classes 1, 2, … into what JSON holds."""
    return {str(number): value.model_dump() for number, value in enumerate(values, start=1)}
