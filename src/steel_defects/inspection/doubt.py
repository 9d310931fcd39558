"""Which sheets somebody should look at again, and in which order."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from steel_defects.tables.declared import SHEETS_TO_CHECK


def sheets_to_check(verdicts: Iterable[pd.DataFrame], most: int) -> pd.DataFrame:
    """Return the most doubtful sheets, the most doubtful first.

    Reviews come before accepted sheets: those with a score by the score, the highest first, and
    after them those that no network saw. Accepted sheets follow by how near their score is to its
    threshold, as a share of the larger of the two.

    Args:
        verdicts: Tables of verdicts, one part after the other.
        most: Number of sheets.
    """
    listed = SHEETS_TO_CHECK.empty().assign(rank=0, order=0.0)
    for table in verdicts:
        ranked = _ranked(table[table["verdict"] != "reject"])
        ranked["classes"] = [", ".join(names) or None for names in ranked["classes"]]
        listed = pd.concat([listed, ranked[listed.columns]]).sort_values(
            ["rank", "order"], kind="stable"
        )
        listed = listed.head(most)
    return SHEETS_TO_CHECK.typed(listed)


def _ranked(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Add what decides on the order; sheets that nothing casts doubt on are left out."""
    score = verdicts["joint_score"].fillna(verdicts["gate_score"])
    threshold = score - verdicts["margin"]
    larger = np.maximum(score, threshold)
    distance = verdicts["margin"].abs() / larger.where(larger > 0, 1.0)
    review = verdicts["verdict"] == "review"
    order = np.where(review, -score.fillna(0.0), distance)
    ranked = verdicts.assign(rank=np.where(review, score.isna().astype(int), 2), order=order)
    return ranked[review | distance.notna()]
