"""Whether a class occurs on a sheet at all, from what head, map and gate say of it together.

A presence head looks at the sheet as a whole, the map at its pixels, the gate at any defect. A
logistic regression on their logits (stacked generalization, Wolpert 1992, Neural Networks 5),
whose weights all classes share, is fitted to sheets that none of them has seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import expit

from steel_defects.config import Config
from steel_defects.decision.logits import clipped_logits

Numbers = NDArray[np.float64]

#: Pixels of a sheet, 24 by 24: a speck that is certain says less than an area that is likely.
AREA_PX = 600
_LEAST_PAIRS = 10  # of sheets and classes, of either kind, to fit a handful of numbers


class ClassPresence(Config):
    """From three probabilities that a class occurs to one.

    Attributes:
        head_weight: Of the logit of what the network's presence head says.
        map_weight: Of the logit of the probability that ``area_px`` pixels of the map reach.
        gate_weight: Of the logit of the gate's calibrated score; 0 without a gate.
        bias: Is added to them.
        area_px: Pixels of the sheet.
    """

    head_weight: float = Field(ge=0)
    map_weight: float = Field(ge=0)
    gate_weight: float = Field(default=0.0, ge=0)
    bias: float
    area_px: int = Field(default=AREA_PX, gt=0)

    def probability(self, head: Numbers, on_map: Numbers, gate: Numbers) -> Numbers:
        """Return the probability that the class occurs.

        Args:
            head: What the presence head says, 0 to 1, of any shape.
            on_map: What :func:`reached_on` says of the map, 0 to 1, of the same shape.
            gate: Calibrated scores of the gate; NaN, or anything, without one.
        """
        by_gate = self.gate_weight * clipped_logits(gate) if self.gate_weight else 0.0
        total = self.head_weight * clipped_logits(head) + self.map_weight * clipped_logits(on_map)
        return np.asarray(expit(total + by_gate + self.bias))


@dataclass(frozen=True)
class PresenceEvidence:
    """What is known of the presence of one class on some sheets; all of shape ``(sheets,)``.

    Attributes:
        head: What the presence head says, 0 to 1.
        on_map: What :func:`reached_on` says of the map, 0 to 1.
        gate: Calibrated scores of the gate; NaN without one.
        occurs: Whether the class occurs.
    """

    head: Numbers
    on_map: Numbers
    gate: Numbers
    occurs: NDArray[np.bool_]


def reached_on(probability: NDArray[np.uint8], area_px: float) -> float:
    """Return the probability that so many pixels of a map reach, wherever they lie.

    Args:
        probability: Map of shape ``(height, width)``, uint8, 255 for certain.
        area_px: Pixels of the map; 1 gives its maximum.
    """
    counts = cv2.calcHist([np.ascontiguousarray(probability)], [0], None, [256], [0, 256])
    from_the_top = np.cumsum(counts.ravel()[::-1], dtype=np.float64)
    above = int(np.searchsorted(from_the_top, max(1.0, min(area_px, probability.size))))
    return (255 - above) / 255


def fit_presence(evidence: Sequence[PresenceEvidence]) -> list[ClassPresence] | None:
    """Fit the presence of all classes at once.

    Args:
        evidence: Of classes 1, 2, …, on sheets that no network had seen.

    Returns:
        One each, which differ in their bias alone; None where too few sheets have a class, or too
        few have not.
    """
    # Takes a second to import, which inspection, that only applies it, can do without.
    from sklearn.linear_model import LogisticRegression

    occurs = np.concatenate([one.occurs for one in evidence])
    if min(occurs.sum(), (~occurs).sum()) < _LEAST_PAIRS:
        return None
    gated = not any(np.isnan(one.gate).any() for one in evidence)
    columns = ("head", "on_map", "gate") if gated else ("head", "on_map")
    logits = [
        clipped_logits(np.concatenate([getattr(one, name) for one in evidence])) for name in columns
    ]
    numbers = np.repeat(np.arange(len(evidence)), [len(one.occurs) for one in evidence])
    # Half as large, so that the penalty keeps the classes' own biases four times closer to 0.
    own = 0.5 * np.eye(len(evidence))[numbers]
    model = LogisticRegression(max_iter=1000).fit(np.column_stack([*logits, own]), occurs)
    # A weight below 0 would make a class less likely the surer its map is.
    weights = [max(0.0, float(w)) for w in model.coef_[0][: len(columns)]]
    biases = float(model.intercept_[0]) + 0.5 * model.coef_[0][len(columns) :]
    names = ("head_weight", "map_weight", "gate_weight")
    shared = dict(zip(names, weights, strict=False))
    return [ClassPresence(**shared, bias=float(bias)) for bias in biases]
