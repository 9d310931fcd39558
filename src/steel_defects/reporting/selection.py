"""Which test sheets are worth a look: some of every outcome."""

import numpy as np
import pandas as pd

#: What can become of a sheet, in the order in which people want to see it.
OUTCOMES = ("hit", "weak", "miss", "false alarm", "clean")

_HIT_DICE = 0.5  # mean over the sheet's true classes


def sheet_outcomes(pairs: pd.DataFrame) -> pd.DataFrame:
    """Say what became of every sheet.

    Args:
        pairs: ``sheet_id, class_id, dice, true_px, predicted_px``, one row a sheet and class.

    Returns:
        One row a sheet, by ``sheet_id``: ``dice`` (mean over the classes that it truly has; over
        all classes if it has none) and ``outcome``: ``hit`` (Dice from 0.5), ``weak`` (some
        overlap), ``miss`` (none), ``false alarm`` (clean, something found) or ``clean``.
    """
    positive = pairs["true_px"] > 0
    sheets = pairs.groupby("sheet_id").agg(
        dice=("dice", "mean"), true_px=("true_px", "sum"), predicted_px=("predicted_px", "sum")
    )
    sheets["dice"] = (
        pairs[positive].groupby("sheet_id")["dice"].mean().combine_first(sheets["dice"])
    )
    defective = sheets["true_px"] > 0
    found = [
        defective & (sheets["dice"] >= _HIT_DICE),
        defective & (sheets["dice"] > 0),
        defective,
        sheets["predicted_px"] > 0,
    ]
    sheets["outcome"] = np.select(found, OUTCOMES[:4], OUTCOMES[4])
    return sheets[["dice", "outcome"]].sort_index()


def choose_sheets(pairs: pd.DataFrame, count: int, seed: int) -> list[tuple[str, str]]:
    """Choose sheets to draw, as evenly over the outcomes as there are sheets of each.

    Args:
        pairs: ``sheet_id, class_id, dice, true_px, predicted_px``, one row a sheet and class.
        count: Most sheets to choose.
        seed: Decides which of an outcome's sheets are taken; the order of rows does not.

    Returns:
        Sheets and their outcomes, grouped by outcome.
    """
    if pairs.empty:
        return []
    rng = np.random.default_rng(seed)
    outcomes = sheet_outcomes(pairs)["outcome"]
    queues = {
        outcome: [str(name) for name in rng.permutation(outcomes.index[outcomes == outcome])]
        for outcome in OUTCOMES
    }
    shares = _even_shares([len(queues[outcome]) for outcome in OUTCOMES], count)
    return [
        (sheet_id, outcome)
        for outcome, share in zip(OUTCOMES, shares, strict=True)
        for sheet_id in sorted(queues[outcome][:share])
    ]


def _even_shares(available: list[int], count: int) -> list[int]:
    """Deal out ``count`` places in turns, passing over what has run out."""
    shares = [0] * len(available)
    for _ in range(min(count, sum(available))):
        open_ones = [i for i, number in enumerate(available) if shares[i] < number]
        shares[min(open_ones, key=lambda i: (shares[i], i))] += 1
    return shares
