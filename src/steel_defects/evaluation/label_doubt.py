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
_USUAL = 0.5  # from here on answers do not speak against a label
_FITTING = 0.3  # overlap from which the prediction of another class explains a mask


@dataclass(frozen=True)
class Doubts:
    """How doubtful each label is; arrays are of shape ``(sheets, classes)``.

    Attributes:
        scores: Probability that the label is wrong, 0 to 1, if :data:`WRONG_SHARE` are; 0 where
            the answers do not speak against it.
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
    odds[usual >= _USUAL] = 0.0
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
    # Where hardly any sheet has a mask: what is usual must not come to be doubtful for that.
    return np.minimum(rates, WRONG_SHARE / 2)


def _class_is_right(evidence: LabelEvidence, confidence: Numbers) -> Numbers:
    """Return how usual it is that a mask has its class where another one's prediction fits it.

    That is less the more presence speaks against either class, and the fewer masks of the class are
    so fitted: where networks take many of them for another one, they may take any.
    """
    labelled = evidence.labelled
    fits = evidence.taken_overlap >= np.maximum(_FITTING, evidence.overlap)
    rows = np.arange(len(confidence))[:, None]
    other = confidence[rows, np.maximum(evidence.taken_for - 1, 0)]
    share = (labelled & fits).sum(axis=0) / np.maximum(labelled.sum(axis=0), 1)
    usual = np.minimum(confidence, 1 - other) * share
    return np.where(labelled & fits, usual, 1.0)


def _place_is_usual(evidence: LabelEvidence) -> Numbers:
    """Return how much less usual it would be for masks that lie elsewhere to look as these do.

    Copies that were moved by chance say what such masks look like: a logistic regression tells
    them from the masks as they are by how much they overlap with the prediction, and how much more
    they would elsewhere.
    """
    from sklearn.linear_model import LogisticRegression

    both = evidence.labelled & (evidence.predicted_px > 0)
    result = np.ones(both.shape)
    if both.sum() < _LEAST:
        return result
    classes = np.eye(both.shape[1])[np.nonzero(both)[1]]
    sizes = np.log(evidence.labelled_px[both])[:, None] / 5
    as_it_is, moved = (
        np.column_stack([5 * place[both], sizes, classes])
        for place in (evidence.place, evidence.moved_place)
    )
    is_moved = np.repeat([False, True], len(as_it_is))
    model = LogisticRegression(max_iter=1000).fit(np.concatenate([as_it_is, moved]), is_moved)
    likely = model.predict_proba(as_it_is)
    result[both] = np.minimum(1.0, likely[:, 0] / np.maximum(likely[:, 1], _RAREST))
    return result


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
    here, gained = evidence.place[..., 0], evidence.place[..., 1]
    elsewhere = (here < AGREEING_IOU) & (here + gained >= AGREEING_IOU)
    return np.where(kinds == PLACE, elsewhere, result)


def _explained(evidence: LabelEvidence, kinds: NDArray[np.int64]) -> Flags:
    """Say which missing masks are those of a mask that is doubted for its class already."""
    result = np.zeros(kinds.shape, np.bool_)
    sheets, classes = np.nonzero((kinds == CLASS) & evidence.labelled)
    result[sheets, evidence.taken_for[sheets, classes] - 1] = True
    return result & ~evidence.labelled
