"""Which sheets somebody should look at again, and in which order."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from steel_defects.tables.declared import SHEETS_TO_CHECK


def sheets_to_check(verdicts: Iterable[pd.DataFrame], most: int) -> pd.DataFrame:
    """Return the most doubtful sheets, the most doubtful first.

    Reviews come before accepted sheets: those with a score by the score, the highest first, and
    after them those that no network saw. Sheets that a score cleared follow, by how near it is to
    its threshold, as a share of that. What limits or ignored classes accepted is not doubtful.

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
    review, cleared = verdicts["verdict"] == "review", verdicts["margin"] < 0
    # Of a cleared sheet the threshold, its score minus the margin, is above 0.
    nearness = verdicts["margin"] / (score - verdicts["margin"]).where(cleared)
    order = np.where(review, -score.fillna(0.0), -nearness)
    ranked = verdicts.assign(rank=np.where(review, score.isna().astype(int), 2), order=order)
    return ranked[review | cleared]
