"""Tuning of post-processing: the combination of thresholds, area and cut with the best Dice."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steel_defects.decision.fusion import (
    AREA_PX,
    ClassPresence,
    PresenceEvidence,
    fit_presence,
    probability_at_area,
)
from steel_defects.decision.postprocessing import (
    TUNED,
    ClassPostprocessing,
    Mask,
    PostprocessingGrid,
    area_scale,
)
from steel_defects.decision.regions import (
    Probability,
    level_of,
    regions_above,
    seeded,
    window_above,
)


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
    _dice_scores: list[NDArray[np.float64]] = field(default_factory=list)
    _empty_mask_dice: list[float] = field(default_factory=list)
    _evidence: list[tuple[float, float, float]] = field(default_factory=list)

    @classmethod
    def joined(cls, tuners: Sequence["ClassTuner"]) -> "ClassTuner":
        """Return a tuner that has been shown the sheets of all of these, which share a grid."""
        merged = cls(tuners[0].grid, tuners[0].pixel_share)
        for one in tuners:
            merged._dice_scores += one._dice_scores
            merged._empty_mask_dice += one._empty_mask_dice
            merged._evidence += one._evidence
        return merged

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
        on_map = probability_at_area(probability, AREA_PX * self.pixel_share)
        gate = np.nan if gate_score is None else gate_score
        self._evidence.append((float(presence), on_map, gate))
        thresholds, seeds, areas, _, factors = self._tried
        scales = [area_scale(factor, gate_score) for factor in factors]
        smallest = np.outer(areas, scales) * self.pixel_share
        true_px = int(np.count_nonzero(truth))
        window = window_above(probability, level_of(thresholds[0]))
        probability, truth = probability[window], truth[window]
        dice = [_dice(probability, truth, true_px, t, seeds, smallest) for t in thresholds]
        self._dice_scores.append(np.stack(dice))
        self._empty_mask_dice.append(float(true_px == 0))

    def best(self, presence: ClassPresence | None = None) -> ClassPostprocessing:
        """Return the best combination, with ``presence`` in place of what the head says.

        Between equals the lower threshold, then the lower seed threshold, smaller area, presence
        cut and factor; without sheets the lowest of each.
        """
        tried, known, count = self._tried, self.evidence, len(self._dice_scores)
        scores = np.zeros([len(values) for values in tried])
        if count:
            likely = presence.probability(known.answers) if presence else known.answers[0]
            dice = np.stack(self._dice_scores)
            dice_if_empty = np.array(self._empty_mask_dice)[:, None, None, None, None]
            for number, cut in enumerate(tried[3]):
                gone = (likely < cut)[:, None, None, None, None]
                scores[:, :, :, number] = np.where(gone, dice_if_empty, dice).sum(axis=0) / count
        place = np.unravel_index(int(scores.argmax()), scores.shape)
        best: dict[str, Any] = {
            name: values[at] for name, values, at in zip(TUNED, tried, place, strict=True)
        }
        mean_dice = float(scores[place]) if count else None
        return ClassPostprocessing(**best, presence=presence, validation_dice=mean_dice)

    @property
    def evidence(self) -> PresenceEvidence:
        """What is known of the presence of the class on the sheets, and whether it occurs."""
        answers = np.array(self._evidence, np.float64).reshape(-1, 3).T
        return PresenceEvidence(answers, np.array(self._empty_mask_dice) == 0)

    @property
    def _tried(self) -> list[list[float]]:
        return [sorted(getattr(self.grid, name)) for name in TUNED.values()]


def best_settings(tuners: Sequence[ClassTuner]) -> list[ClassPostprocessing]:
    """Return the best combination of each class, after one joint fit of their presence.

    Args:
        tuners: Of classes 1, 2, …, with sheets that neither gate nor segmenter had seen.
    """
    fitted = fit_presence([tuner.evidence for tuner in tuners])
    presences: Sequence[ClassPresence | None] = fitted or [None] * len(tuners)
    return [tuner.best(presence) for tuner, presence in zip(tuners, presences, strict=True)]


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
    labels, areas = regions_above(probability, threshold)
    hits = np.bincount(labels[truth > 0], minlength=len(areas))
    order = 1 + np.argsort(areas[1:])
    scores = []
    for seed in seeds:
        by_area = order[seeded(labels, len(areas), probability, max(threshold, seed))[order]]
        # What is left from the n-th smallest region on; the last entry is nothing at all.
        left_px = np.append(areas[by_area][::-1].cumsum()[::-1], 0)
        left_hits = np.append(hits[by_area][::-1].cumsum()[::-1], 0)
        first = np.searchsorted(areas[by_area], min_areas, side="left")
        total = left_px[first] + true_px
        scores.append(np.where(total == 0, 1.0, 2 * left_hits[first] / np.maximum(total, 1)))
    return np.stack(scores)
