"""Tuning of post-processing: the combination of thresholds, area and cut with the best Dice."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from steel_defects.decision.class_presence import (
    AREA_PX,
    ClassPresence,
    PresenceEvidence,
    fit_presence,
    reached_on,
)
from steel_defects.decision.postprocessing import (
    ClassPostprocessing,
    Mask,
    PostprocessingGrid,
    area_scale,
)
from steel_defects.decision.probability_regions import (
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
        scales = [area_scale(factor, gate_score) for factor in self._factors]
        areas = np.outer(self._areas, scales) * self.pixel_share
        true_px = int(np.count_nonzero(truth))
        window = window_above(probability, level_of(self._thresholds[0]))
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
    reaching = (seeded(labels, len(areas), probability, max(threshold, seed)) for seed in seeds)
    return np.stack([
        _dice_from(areas[kept], hits[kept], true_px, min_areas)
        for kept in (order[reached[order]] for reached in reaching)
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
