"""Figures of masks and verdicts, each a ratio of sums over sheets, and how two versions differ."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from steel_defects.evaluation.resampling import Difference, paired_ratios
from steel_defects.evaluation.segmentation import pair_table
from steel_defects.tables.declared import LABEL_CORRECTIONS

#: Each figure of a segmenter, and of the verdicts, as a sum over sheets divided by another.
SEGMENTER_FIGURES = {
    "mean_dice": ("dice", "pairs"),
    "dice_on_positives": ("positive_dice", "positives"),
    "detection_rate": ("detected", "positives"),
}
VERDICT_FIGURES = {
    "accuracy": ("right", "sheets"),
    "recall": ("hits", "defective"),
    "false_positive_rate": ("alarms", "clean"),
}


@dataclass(frozen=True)
class Truth:
    """What both versions are judged by: the labels of today, also where the earlier had others.

    ``sheets``: ``sheet_id, group_id, width, height, has_defect``; ``annotations``:
    ``sheet_id, class_id, rle``; ``splits``: ``sheet_id, group_id, split``; ``corrections``:
    ``label_corrections``.
    """

    sheets: pd.DataFrame
    annotations: pd.DataFrame
    splits: pd.DataFrame
    corrections: pd.DataFrame = field(default_factory=LABEL_CORRECTIONS.empty)

    def changed_labels(self, made: pd.Timestamp, evaluation: str) -> int:
        """Count the sheets of an evaluation whose label changed since a moment."""
        table = self.corrections
        since = table.loc[table["changed"] & (table["merged_at"] > made), "sheet_id"]
        splits = self.splits.loc[self.splits["sheet_id"].isin(since), "split"]
        return len(splits) if evaluation == "out_of_fold" else int(splits.eq("test").sum())

    @property
    def known(self) -> pd.DataFrame:
        """The sheets that have a split."""
        return self.sheets[self.sheets["sheet_id"].isin(self.splits["sheet_id"])]


def mask_sums(predictions: pd.DataFrame, truth: Truth) -> pd.DataFrame:
    """Sum up the pairs of each sheet; repeats are averaged.

    Args:
        predictions: ``sheet_id, repeat, class_id, rle``, one row per sheet, repeat and class.
        truth: What they are judged by.

    Returns:
        ``dice, pairs, positives, positive_dice, detected`` by ``sheet_id``, in alphabetical order.
    """
    parts = []
    for _, rows in predictions.groupby("repeat", dropna=False):
        pairs = pair_table(rows, truth.annotations, truth.sheets)
        positive = pairs["true_px"] > 0
        columns = pairs[["sheet_id", "dice"]].assign(
            pairs=1.0,
            positives=positive.astype(float),
            positive_dice=pairs["dice"].where(positive, 0.0),
            detected=(positive & (pairs["dice"] > 0)).astype(float),
        )
        parts.append(columns.groupby("sheet_id").sum())
    return pd.concat(parts).groupby(level=0).mean()


def ratio_differences(
    earlier: pd.DataFrame, later: pd.DataFrame, figures: Mapping[str, tuple[str, str]], truth: Truth
) -> list[Difference]:
    """Compare sums over sheets, one row per sheet of the same order in both."""
    groups = truth.splits.set_index("sheet_id")["group_id"].loc[later.index]
    numbers = pd.factorize(groups.to_numpy())[0].astype(np.int64)

    def sums(table: pd.DataFrame, names: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
        above, below = (table[name].to_numpy(float) for name in names)
        return above, below

    return [
        paired_ratios(metric, sums(later, names), sums(earlier, names), numbers)
        for metric, names in figures.items()
    ]


def verdict_differences(verdicts: pd.DataFrame, truth: Truth) -> list[Difference]:
    """Measure how often sheets of each kind do not pass, later less earlier.

    Args:
        verdicts: ``sheet_id, has_defect, verdict_before, verdict_after``, one row per sheet.
        truth: Says which sheets look alike.
    """
    table = verdicts.set_index("sheet_id")
    labels = table["has_defect"].astype(bool)
    earlier, later = (
        pd.DataFrame(
            {
                "sheets": 1,
                "defective": labels,
                "clean": ~labels,
                "right": stopped == labels,
                "hits": stopped & labels,
                "alarms": stopped & ~labels,
            }
        )
        for stopped in (table[f"verdict_{end}"] != "accept" for end in ("before", "after"))
    )
    return ratio_differences(earlier, later, VERDICT_FIGURES, truth)
