"""Parts of a fold: what is kept from a network, what it learns from, and what tunes it."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from steel_defects.data.splits import assign_groups
from steel_defects.errors import SteelDefectsError


def folds_of(splits: pd.DataFrame, repeat: int) -> pd.Series:
    """Return the fold of each row of ``splits`` in a repeat.

    Raises:
        SteelDefectsError: ``splits`` was made for fewer repeats.
    """
    if splits["fold"].map(len).min() <= repeat:
        raise SteelDefectsError(
            f"splits holds {splits['fold'].map(len).min()} repeats, and {repeat + 1} are wanted; "
            "raise cross_validation.repeats and run the pipeline data_engineering again"
        )
    return splits["fold"].map(lambda numbers: int(numbers[repeat]))


def divide_training(
    rest: pd.DataFrame, strata: Mapping[str, str], share: float, seed: int
) -> tuple[list[str], list[str]]:
    """Take a stratified share of a fold's training groups for validation.

    Args:
        rest: ``sheet_id, group_id`` of the sheets that are not kept from the network.
        strata: Kind of each sheet.
        share: Part of the sheets that validate.
        seed: Decides between equals.

    Returns:
        The sheets to learn from, and those that tune.
    """
    parts = assign_groups(
        rest["group_id"].tolist(),
        [strata[sheet_id] for sheet_id in rest["sheet_id"]],
        {"training": 1 - share, "validation": share},
        seed,
    )
    ids, chosen = rest["sheet_id"].to_numpy(), np.array(parts)
    return ids[chosen == "training"].tolist(), ids[chosen == "validation"].tolist()
