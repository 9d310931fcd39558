"""Sheets unlike the rest, for people to look at: overexposed, nearly black, blank, torn."""

import numpy as np
import pandas as pd

from steel_defects.data.inventory import thumbnails_of
from steel_defects.data.similarity.fingerprints import THUMBNAIL

#: What oddness is judged by, and how it is called.
MEASURES = {
    "mean_intensity": "brightness",
    "contrast": "contrast",
    "black_fraction": "black share",
    "saturated_fraction": "saturated share",
    "distinctness": "distance from the nearest sheet",
}


def oddest_sheets(inventory: pd.DataFrame, nearest: pd.Series, count: int) -> pd.DataFrame:
    """Find the sheets that are easiest to tell from the rest by their measures.

    Oddness is the anomaly score of an isolation forest (Liu, Ting and Zhou 2008,
    doi:10.1109/ICDM.2008.17). Of each group of similar sheets only the oddest is returned.

    Args:
        inventory: Sound pictures, as the inventory describes them, with their ``group_id``.
        nearest: Similarity of each sheet to its nearest other one, -1 to 1, in the same order.
        count: Sheets to return at most.

    Returns:
        ``sheet_id, path, measure, value, percentile``, the oddest first: the measure in which the
        sheet is most extreme, its value there, and the percentile, 0 to 100, that this is.
    """
    from sklearn.ensemble import IsolationForest

    measures = [name for name in MEASURES if name != "distinctness"]
    values = inventory[measures].assign(distinctness=1 - nearest.to_numpy())
    forest = IsolationForest(random_state=0).fit(values.to_numpy())
    # Share of the sheets with as small a value or smaller, and with as large a one or larger.
    low, high = (
        values.rank(pct=True, method="max", ascending=ascending) for ascending in (True, False)
    )
    extreme = np.minimum(low, high).idxmin(axis=1)
    cells = np.arange(len(values)), values.columns.get_indexer(extreme)
    table = inventory[["sheet_id", "path", "group_id"]].assign(
        measure=extreme.map(MEASURES),
        value=values.to_numpy()[cells],
        percentile=(100 * values.rank(pct=True)).to_numpy()[cells],
        oddness=-forest.score_samples(values.to_numpy()),
    )
    table = table.sort_values(["oddness", "sheet_id"], ascending=[False, True])
    table = table.drop_duplicates("group_id").head(count)
    return table.drop(columns=["group_id", "oddness"]).reset_index(drop=True)


def border_statistics(inventory: pd.DataFrame) -> dict[str, float]:
    """Describe the black beside the strip, from the thumbnails.

    Returns:
        ``left``, ``right`` and ``none``: share of the sheets with such a border; ``width_p50`` and
        ``width_p95``: its width, as a share of the sheet's, where there is one.
    """
    columns = thumbnails_of(inventory).reshape(-1, *THUMBNAIL[::-1]).mean(axis=1)
    steel = columns >= _BLACK_COLUMN
    anything = steel.any(axis=1)
    left = np.where(anything, steel.argmax(axis=1), steel.shape[1])
    right = np.where(anything, steel[:, ::-1].argmax(axis=1), 0)
    widths = np.maximum(left, right) / steel.shape[1]
    seen = widths[widths > 0]
    p50, p95 = np.quantile(seen, [0.5, 0.95]) if len(seen) else (0.0, 0.0)
    return {
        "left": round(float((left > 0).mean()), 4),
        "right": round(float((right > 0).mean()), 4),
        "none": round(float((widths == 0).mean()), 4),
        "width_p50": round(float(p50), 4),
        "width_p95": round(float(p95), 4),
    }


_BLACK_COLUMN = 14.0  # mean gray value under which a column of a thumbnail shows no steel
