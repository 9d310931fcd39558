"""Whether a package may take the place of the promoted one: how they compare, and the decision.

Pure: tables in, a decision out. Asking the packages is somebody else's work.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pandas as pd

from steel_defects.config import Record
from steel_defects.decision.intervals import CONFIDENCE, share_interval
from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.comparable_sheets import PackageFacts
from steel_defects.evaluation.paired_figures import (
    SEGMENTER_FIGURES,
    Truth,
    mask_sums,
    ratio_differences,
    verdict_differences,
)
from steel_defects.evaluation.resampling import Difference
from steel_defects.labels import rle as run_length
from steel_defects.labels.masks import sizes_by_sheet, void_of

_HIGHER_IS_WORSE = ("false_positive_rate",)


@dataclass(frozen=True)
class JudgedSheets:
    """What a package makes of sheets, as inspection would.

    Attributes:
        verdicts: ``sheet_id, verdict, cleared``, one row per sheet; cleared are those that its
            networks let pass.
        masks: ``sheet_id, class_id, rle``, one row per sheet and class.
    """

    verdicts: pd.DataFrame
    masks: pd.DataFrame


# === How they compare ===


class ComparedFigure(Record):
    """A figure of both packages on the same sheets; None where sheets of a kind are absent.

    Attributes:
        metric: Such as ``mean_dice``.
        candidate: Its value of the candidate, 0 to 1.
        promoted: Its value of the package in use.
        difference: The former less the latter.
        low: Lower end of the 95 % interval of the difference, from a paired bootstrap of groups.
        high: Upper end.
    """

    metric: str
    candidate: float | None
    promoted: float | None
    difference: float | None
    low: float | None
    high: float | None

    @classmethod
    def of(cls, row: Difference) -> "ComparedFigure":
        """Take a difference whose first value is the candidate's."""
        values = (row.first, row.second, row.difference, row.low, row.high)
        names = ("candidate", "promoted", "difference", "low", "high")
        known = (None if pd.isna(value) else round(float(value), 6) for value in values)
        return cls(metric=row.metric, **dict(zip(names, known, strict=True)))

    @property
    def worse(self) -> bool:
        """Whether the whole interval lies on the bad side of 0."""
        if self.low is None or self.high is None:
            return False
        return self.low > 0 if self.metric in _HIGHER_IS_WORSE else self.high < 0

    @property
    def in_words(self) -> str:
        """Such as ``mean_dice 0.71 instead of 0.78 (difference -0.07, -0.10 to -0.04)``."""
        return (
            f"{self.metric} {self.candidate:.3f} instead of {self.promoted:.3f} (difference "
            f"{self.difference:+.3f}, {100 * CONFIDENCE:.0f} % interval {self.low:+.3f} to "
            f"{self.high:+.3f})"
        )


def compared_figures(
    candidate: JudgedSheets, promoted: JudgedSheets, truth: Truth
) -> tuple[ComparedFigure, ...]:
    """Compare two packages on the sheets that both judged.

    Returns:
        ``accuracy``, ``recall`` and ``false_positive_rate`` of the verdicts, and ``mean_dice``,
        ``dice_on_positives`` and ``detection_rate`` of the masks.
    """
    labels = truth.sheets[["sheet_id", "has_defect"]]
    verdicts = labels.merge(promoted.verdicts, on="sheet_id").merge(
        candidate.verdicts, on="sheet_id", suffixes=("_before", "_after")
    )
    known = (without_void(one.masks, truth.sheets) for one in (promoted, candidate))
    sums = [mask_sums(masks.assign(repeat=None), truth) for masks in known]
    rows = verdict_differences(verdicts, truth)
    rows += ratio_differences(sums[0], sums[1], SEGMENTER_FIGURES, truth)
    return tuple(map(ComparedFigure.of, rows))


def without_void(masks: pd.DataFrame, sheets: pd.DataFrame) -> pd.DataFrame:
    """Take void pixels out of encoded masks: nobody can tell whether they show a defect.

    ``masks`` holds ``sheet_id, rle``, ``sheets`` ``sheet_id, height, width`` and, if there are
    some, ``void``.
    """
    void, sizes = void_of(sheets), sizes_by_sheet(sheets)
    if not void:
        return masks

    def known(sheet_id: str, rle: str) -> str:
        if not rle or sheet_id not in void:
            return rle
        mask, unknown = (run_length.decode(one, *sizes[sheet_id]) for one in (rle, void[sheet_id]))
        return run_length.encode(mask & ~unknown & 1)

    pairs = zip(masks["sheet_id"], masks["rle"], strict=True)
    return masks.assign(rle=[known(*pair) for pair in pairs])


def recall_interval(judged: JudgedSheets, truth: Truth) -> tuple[float, float]:
    """Give the 95 % interval of the share of groups of which no defective sheet is cleared."""
    table = truth.sheets[["sheet_id", "has_defect"]].merge(judged.verdicts, on="sheet_id")
    table = table.merge(truth.splits[["sheet_id", "group_id"]], on="sheet_id")
    missed = table[table["has_defect"].astype(bool)].groupby("group_id")["cleared"].any()
    return share_interval(int((~missed.astype(bool)).sum()), len(missed))


def faults(
    figures: Sequence[ComparedFigure],
    candidate: PackageFacts,
    promoted: PackageFacts,
    recall: tuple[float, float],
) -> list[str]:
    """Say in what a candidate is worse than the promoted package; nothing where it is not.

    Args:
        figures: Of both.
        candidate: Says its target, like ``promoted``.
        promoted: The package in use.
        recall: The interval of the candidate's, from :func:`recall_interval`. One below its target
            counts where it is lower than the promoted one's: an equal package is no worse.
    """
    found = [figure.in_words for figure in figures if figure.worse]
    target, before = candidate.target_recall, promoted.target_recall
    if target is not None and before is not None and target < before:
        found.append(f"its thresholds aim at a recall of {target:g}, not {before:g}")
    lower = any(one.metric == "recall" and (one.difference or 0) < 0 for one in figures)
    if target is not None and recall[1] < target and lower:
        found.append(
            f"its recall on these sheets is at most {recall[1]:.3f}, below its target, {target:g}"
        )
    return found


# === The decision ===


class Promotion(Record):
    """A decision about a candidate, as it stands in ``promotion.json`` of the promoted package.

    Attributes:
        candidate: Its version.
        replaces: Version of the package that was promoted until then; empty for none.
        decided_at: In UTC.
        by: Who asked.
        reason: Why they asked.
        taken: Whether it was promoted.
        why: What decided.
        sheets: Test sheets that both packages were compared on; 0 without a comparison.
        test_split: Short digest of all test sheets.
        test_reads: How often packages were compared on this test split, this time included.
        figures: Of both packages.
    """

    candidate: str
    model_id: str
    thresholds_id: str
    replaces: str = ""
    replaced_model_id: str = ""
    replaced_thresholds_id: str = ""
    decided_at: datetime
    by: str
    reason: str
    taken: bool
    why: str
    sheets: int = 0
    test_split: str
    test_reads: int
    figures: tuple[ComparedFigure, ...] = ()


def words_given(**texts: object) -> list[str]:
    """Return who asks for a promotion and why, without blanks around; None for what is missing.

    Raises:
        SteelDefectsError: One is missing or empty.
    """
    given = {name: "" if text is None else str(text).strip() for name, text in texts.items()}
    missing = [name for name, text in given.items() if not text]
    if missing:
        example = ",".join(f"{name}=…" for name in missing)
        raise SteelDefectsError(
            f'a promotion needs {" and ".join(missing)}: add --params "{example}" (without commas '
            "in a text)"
        )
    return list(given.values())


@dataclass(frozen=True)
class Outcome:
    """What came of a candidate; the rest of a :class:`Promotion` says who asked for it, and when.

    Attributes:
        taken: Whether it is promoted.
        why: What decided.
        sheets: Test sheets that were compared.
        figures: Of both packages.
    """

    taken: bool
    why: str
    sheets: int = 0
    figures: tuple[ComparedFigure, ...] = field(default=())


def without_comparison(
    candidate: PackageFacts, promoted: PackageFacts | None, earlier: pd.DataFrame
) -> Outcome | None:
    """Decide what needs no comparison; None where one is needed.

    Args:
        candidate: The package to promote.
        promoted: The package in use; None for none.
        earlier: ``promotions``: a package that was taken before is gone back to.
    """
    if promoted is None:
        return Outcome(True, "the first needs no comparison")
    ids = candidate.model_id, candidate.thresholds_id
    if ids == (promoted.model_id, promoted.thresholds_id):
        return Outcome(True, "networks and thresholds are those of the promoted package")
    if len(earlier):
        same = (earlier["model_id"] == ids[0]) & (earlier["thresholds_id"] == ids[1])
        taken = earlier[same & (earlier["candidate"] == candidate.version) & earlier["taken"]]
        if len(taken):
            when = f"{taken['decided_at'].iloc[-1]}"[:10]
            return Outcome(True, f"it was promoted before, on {when}: going back is always open")
    return None


def compare(
    candidate: tuple[PackageFacts, JudgedSheets],
    promoted: tuple[PackageFacts, JudgedSheets],
    truth: Truth,
) -> Outcome:
    """Take a candidate that is no worse than the promoted package, on sheets new to both.

    Each comes with what it makes of the sheets in ``truth``.
    """
    sheets = len(truth.sheets)
    figures = compared_figures(candidate[1], promoted[1], truth)
    found = faults(figures, candidate[0], promoted[0], recall_interval(candidate[1], truth))
    why = "; ".join(found) or f"no figure is worse on {sheets} sheets that neither learned from"
    return Outcome(not found, why, sheets, figures)


def reads_of(earlier: pd.DataFrame, test_split: str) -> int:
    """Count the comparisons in ``promotions`` that read a test split."""
    if not len(earlier):
        return 0
    return int(((earlier["test_split"] == test_split) & (earlier["sheets"] > 0)).sum())
