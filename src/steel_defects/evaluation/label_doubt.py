"""How doubtful labels are: confident learning, with the evidence of the pixels beside it.

Confident learning (Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in
Dataset Labels", doi:10.1613/jair.1.12125) asks networks about examples that they have not seen. A
class is taken as certain from the average confidence of the examples that are labelled with it, so
that a class at which networks are poor casts less doubt. Here each class is a question of its own,
since a sheet may have several, and answers are calibrated by the labels before.

That finds what is missing and what is too much. Masks say the rest: one that another class's
prediction covers, and one whose own prediction lies elsewhere.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from steel_defects.decision.calibration import clipped_logits
from steel_defects.evaluation.label_evidence import LabelEvidence
from steel_defects.labels.masks import AGREEING_IOU

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: What may be wrong with a label, in the order of the numbers in :attr:`Doubts.kinds`.
KINDS = ("missing_mask", "extra_mask", "other_class", "other_place")
MISSING, EXTRA, CLASS, PLACE = range(len(KINDS))

#: Share of the sheets that are taken for wrong before the evidence, as many in each of four ways.
WRONG_SHARE = 0.05
_LEAST = 10  # labels of either kind, from which answers are calibrated by them
_RAREST = 1e-4  # nothing is as unusual as to be impossible
_FITTING = 0.3  # overlap from which the prediction of another class explains a mask
_CLEAR_GAIN = 0.15  # of the overlap, from which a mask would lie better elsewhere


@dataclass(frozen=True)
class Doubts:
    """How doubtful each label is; arrays are of shape ``(sheets, classes)``.

    Attributes:
        scores: Probability that the label is wrong, 0 to 1, if :data:`WRONG_SHARE` are.
        kinds: What would be wrong with it, as places in :data:`KINDS`.
        confident: Whether confident learning counts it among the wrong ones.
    """

    scores: Numbers
    kinds: NDArray[np.int64]
    confident: Flags


def doubt_labels(evidence: LabelEvidence) -> Doubts:
    """Return how doubtful the labels of some sheets are, those of absent classes included."""
    confidence = label_probability(evidence)
    labelled = evidence.labelled
    usual = np.ones((len(KINDS), *labelled.shape))
    usual[MISSING] = np.where(labelled, 1.0, 1 - confidence)
    usual[EXTRA] = np.where(labelled, confidence, 1.0)
    usual[CLASS] = _class_is_right(evidence, confidence)
    usual[PLACE] = _place_is_usual(evidence)
    odds = _prior(labelled)[:, None, None] / np.maximum(usual, _RAREST)
    odds[usual >= 1] = 0.0
    kinds = odds.argmax(axis=0)
    scores = (odds / (1 + odds)).max(axis=0)
    confident = _confident(evidence, confidence, kinds)
    explained = _explained(evidence, kinds)
    return Doubts(np.where(explained, 0.0, scores), kinds, confident & ~explained)


def label_probability(evidence: LabelEvidence) -> Numbers:
    """Return the probability that a class is labelled on a sheet, going by the answers alone.

    A logistic regression a class, on the logit of its score, that of the likeliest other class,
    and the logarithm of the predicted area; where too few sheets have the class, or have not, the
    score itself.

    Returns:
        Of shape ``(sheets, classes)``, 0 to 1.
    """
    from sklearn.linear_model import LogisticRegression

    logits = clipped_logits(evidence.presence)
    areas = np.log1p(evidence.predicted_px) / 5  # about as wide as logits
    result = np.array(evidence.presence)
    for k, labelled in enumerate(evidence.labelled.T):
        if min(labelled.sum(), (~labelled).sum()) < _LEAST:
            continue
        others = np.delete(logits, k, axis=1)
        rival = others.max(axis=1) if others.shape[1] else np.zeros(len(logits))
        facts = np.column_stack([logits[:, k], rival, areas[:, k]])
        model = LogisticRegression(max_iter=1000).fit(facts, labelled)
        result[:, k] = model.predict_proba(facts)[:, 1]
    return result


def _prior(labelled: Flags) -> Numbers:
    """Return how many of the labels that can be wrong in a way are, before the evidence."""
    of_each = WRONG_SHARE / len(KINDS) * len(labelled)
    present, absent = max(1, int(labelled.sum())), max(1, int((~labelled).sum()))
    rates = np.full(len(KINDS), of_each / present)
    rates[EXTRA] = of_each / absent  # an extra mask is one where none belongs
    return np.minimum(rates, 0.5)


def _class_is_right(evidence: LabelEvidence, confidence: Numbers) -> Numbers:
    """Return how usual it is that a mask has its class where another one's prediction fits it."""
    fits = evidence.taken_overlap >= np.maximum(_FITTING, evidence.overlap)
    rows = np.arange(len(confidence))[:, None]
    other = confidence[rows, np.maximum(evidence.taken_for - 1, 0)]
    usual = np.minimum(confidence, 1 - other) * (1 - evidence.taken_overlap)
    return np.where(evidence.labelled & fits, usual, 1.0)


def _place_is_usual(evidence: LabelEvidence) -> Numbers:
    """Return how many masks of a class lie as badly as one does, as a share of them.

    That is by how little they overlap with their predictions, or by how much more they would if
    they lay elsewhere.
    """
    both = evidence.labelled & (evidence.predicted_px > 0)
    doubtful = both & ((evidence.overlap < AGREEING_IOU) | (evidence.gain >= _CLEAR_GAIN))
    result = np.ones(both.shape)
    for k in range(both.shape[1]):
        rows = both[:, k]
        overlaps, gains = evidence.overlap[rows, k], evidence.gain[rows, k]
        # The smaller of two shares, of which each may be small by chance.
        shares = np.minimum(_share_as_low(overlaps), _share_as_low(-gains))
        result[rows, k] = np.minimum(1.0, 2 * shares)
    return np.where(doubtful, result, 1.0)


def _share_as_low(values: Numbers) -> Numbers:
    return np.asarray(rankdata(values) / (len(values) + 1), np.float64)


def _confident(evidence: LabelEvidence, confidence: Numbers, kinds: NDArray[np.int64]) -> Flags:
    """Count the labels off the diagonal of the confident joint, class by class.

    Its thresholds are the average confidence that a class occurs where it is labelled, and that it
    does not where it is not. A mask lies elsewhere for certain if it would agree there.
    """
    labelled = evidence.labelled
    result = np.zeros(labelled.shape, np.bool_)
    for k, present in enumerate(labelled.T):
        likely = confidence[:, k]
        if present.any() and not present.all():
            missing = ~present & (likely >= likely[present].mean())
            extra = present & (1 - likely >= (1 - likely[~present]).mean())
            result[:, k] = missing | extra
    elsewhere = (evidence.overlap < AGREEING_IOU) & (
        evidence.overlap + evidence.gain >= AGREEING_IOU
    )
    return np.where(kinds == PLACE, elsewhere, result)


def _explained(evidence: LabelEvidence, kinds: NDArray[np.int64]) -> Flags:
    """Say which missing masks are those of a mask that is doubted for its class already."""
    result = np.zeros(kinds.shape, np.bool_)
    sheets, classes = np.nonzero((kinds == CLASS) & evidence.labelled)
    result[sheets, evidence.taken_for[sheets, classes] - 1] = True
    return result & ~evidence.labelled
