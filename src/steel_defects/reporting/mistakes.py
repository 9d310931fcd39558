"""The gate's most confident mistakes, for people who clean labels."""

import numpy as np
import pandas as pd

from steel_defects.evaluation.classification import EVEN_ODDS
from steel_defects.tables.declared import CONFIDENT_MISTAKES


def confident_mistakes(scores: pd.DataFrame | None, most: int) -> pd.DataFrame:
    """List the sheets whose score is furthest on the wrong side of even odds.

    Scores out of fold count, averaged over the repeats, since they cover every sheet; without a
    cross-validation, those of the sheets that training did not see.

    Args:
        scores: ``sheet_id, split, repeat, has_defect, score``, one row per sheet and repeat; None
            without a gate.
        most: Sheets at most.

    Returns:
        ``sheet_id, has_defect, score, evaluation`` (``out_of_fold``, or the sheet's split), one row
        a sheet, the most confident mistake first.
    """
    if scores is None:
        return CONFIDENT_MISTAKES.empty()
    table = _unseen_scores(scores)
    table = table.assign(error=(table["score"] - table["has_defect"]).abs())
    table = table[table["error"] > EVEN_ODDS]
    table = table.sort_values(["error", "sheet_id"], ascending=[False, True])
    return CONFIDENT_MISTAKES.typed(table.head(most).reset_index(drop=True))


def _unseen_scores(scores: pd.DataFrame) -> pd.DataFrame:
    crossed = scores[scores["repeat"].notna()]
    if len(crossed):
        kinds = crossed.groupby("sheet_id", as_index=False)
        return kinds.agg(has_defect=("has_defect", "first"), score=("score", "mean")).assign(
            evaluation="out_of_fold"
        )
    return scores[scores["split"] != "train"].assign(evaluation=lambda rows: rows["split"])


def mistake_captions(mistakes: pd.DataFrame) -> list[str]:
    """Describe each mistake: sheet, label, score, and where the score comes from."""
    labels = np.where(mistakes["has_defect"], "labelled defective", "labelled clean")
    kinds = mistakes["evaluation"].str.replace("_", " ")
    return [
        f"{number}  {sheet_id}: {label}, score {score:.3f} ({kind})"
        for number, (sheet_id, label, score, kind) in enumerate(
            zip(mistakes["sheet_id"], labels, mistakes["score"], kinds, strict=True), start=1
        )
    ]
