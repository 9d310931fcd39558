"""What the gate looks at, and where it is confidently wrong: pictures and words."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from numpy.typing import NDArray

from steel_defects.drawing import style
from steel_defects.drawing.style import contact_sheet
from steel_defects.evaluation.classification import EVEN_ODDS
from steel_defects.reporting.tables import percent
from steel_defects.tables.declared import CONFIDENT_MISTAKES

Image = NDArray[np.uint8]

#: What can become of a sheet at the gate, of that which is worth explaining.
EXPLAINED = ("hit", "miss", "false alarm")

# Even steps of lightness, so that it is read alike by every eye, and in gray print.
_COLOURS = "inferno"
_OPACITY = 0.6  # of the hottest place; less heat lets more of the sheet through
_OUTLINE = (0, 230, 90)
_CASING = (0, 40, 20)


def gate_outcomes(labels: pd.Series, scores: pd.Series, threshold: float) -> NDArray[np.str_]:
    """Say what becomes of each sheet: ``hit``, ``miss``, ``false alarm`` or ``clean``."""
    flagged = scores >= threshold
    return np.select([labels & flagged, labels, flagged], EXPLAINED, "clean")


def choose_explained(outcomes: pd.DataFrame, each: int, seed: int) -> pd.DataFrame:
    """Draw at most ``each`` sheets of every outcome that is worth explaining, by a seed.

    Args:
        outcomes: ``sheet_id, outcome`` and more, one row per sheet, in any order.
        each: Most sheets of an outcome.
        seed: Decides which.

    Returns:
        The rows of the chosen sheets, by outcome and sheet.
    """
    rng = np.random.default_rng(seed)
    ordered = outcomes.sort_values("sheet_id")
    parts = [ordered[ordered["outcome"] == outcome] for outcome in EXPLAINED]
    chosen = [part.iloc[np.sort(rng.permutation(len(part))[:each])] for part in parts]
    return pd.concat(chosen, ignore_index=True)


def outlined(image: Image, mask: Image) -> Image:
    """Draw the outline of a mask in green over a gray or RGB picture; returns RGB.

    Args:
        image: Of shape ``(height, width)`` or ``(height, width, 3)``, uint8.
        mask: Of shape ``(height, width)``, uint8, 0 for no defect.
    """
    canvas = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB) if image.ndim == 2 else image.copy()
    inside = (mask > 0).astype(np.uint8)
    lines, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    # As wide in print on any sheet; the dark edge keeps it apart from bright steel and heat.
    width = max(1, round(image.shape[1] / 500))
    for colour, thickness in ((_CASING, width + 2), (_OUTLINE, width)):
        cv2.drawContours(canvas, lines, -1, colour, thickness, cv2.LINE_AA)
    return np.asarray(canvas, np.uint8)


def heat_over_sheet(image: Image, heat: NDArray[np.float32]) -> Image:
    """Lay a map of heat over a sheet.

    Args:
        image: Gray picture of shape ``(height, width)``, uint8.
        heat: Of the same shape, from 0 on; the hottest place gets the brightest colour.

    Returns:
        RGB picture of shape ``(height, width, 3)``, uint8.
    """
    share = heat / max(float(heat.max()), float(np.finfo(np.float32).tiny))
    colours = colormaps[_COLOURS](share)[..., :3] * 255
    opacity = _OPACITY * share[..., None]
    blended = image[..., None] * (1 - opacity) + colours * opacity
    return np.asarray(blended.round(), np.uint8)


def grad_cam_figure(
    pictures: Sequence[Image], captions: Sequence[str], threshold: float | None, nothing: str
) -> Figure:
    """Arrange explained sheets, with a scale of the heat below them.

    Args:
        pictures: RGB, of :func:`heat_over_sheet`.
        captions: A line for each.
        threshold: Score from which the gate flags a sheet.
        nothing: What to say where there are no pictures.
    """
    figure = contact_sheet(pictures, captions, nothing)
    if pictures:
        bar = figure.colorbar(
            ScalarMappable(cmap=_COLOURS), ax=figure.axes, location="bottom", aspect=60,
            shrink=0.5, pad=0.01,
        )  # fmt: skip
        flagged = "" if threshold is None else f"; sheets are flagged from {threshold:.3f}"
        text = f"heat, as a share of the sheet's highest; green: true outline{flagged}"
        bar.set_label(text, fontsize=8, color=style.INK)
        bar.ax.tick_params(labelsize=8, length=0)
        bar.outline.set_visible(False)
    return figure


def attention_sentence(summary: dict[str, Any]) -> str:
    """Say in one line whether the gate looks at the defects.

    Args:
        summary: Of :func:`steel_defects.evaluation.attention.summarise_attention`.
    """
    sheets = summary["sheets"]
    if not sheets:
        return "There is no gate to explain, or no defective sheet that training did not see."
    share = percent(summary["better"] / sheets, 0)
    interval = f"{percent(summary['low'], 0)} to {percent(summary['high'], 0)}"
    return (
        f"On {summary['better']:,} of {sheets:,} defective sheets that training did not see "
        f"({share}, 95 % interval {interval}), more of the gate's heat lies on the defects than a "
        f"Gaussian around the sheet's middle would put there; the median share is "
        f"{summary['median_ratio']:.1f} times the Gaussian's."
    )


# --- mistakes -------------------------------------------------------------------------------


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
        per sheet, the most confident mistake first.
    """
    if scores is None:
        return CONFIDENT_MISTAKES.empty()
    table = _unseen_scores(scores)
    table = table.assign(error=(table["score"] - table["has_defect"]).abs())
    table = table[table["error"] > EVEN_ODDS]
    table = table.sort_values(["error", "sheet_id"], ascending=[False, True])
    return CONFIDENT_MISTAKES.typed(table.head(most).reset_index(drop=True))


def _unseen_scores(scores: pd.DataFrame) -> pd.DataFrame:
    out_of_fold = scores[scores["repeat"].notna()]
    if len(out_of_fold):
        sheets = out_of_fold.groupby("sheet_id", as_index=False)
        return sheets.agg(has_defect=("has_defect", "first"), score=("score", "mean")).assign(
            evaluation="out_of_fold"
        )
    return scores[scores["split"] != "train"].assign(evaluation=lambda rows: rows["split"])


def mistake_captions(mistakes: pd.DataFrame) -> list[str]:
    """Describe each mistake: sheet, label, score, and where the score comes from."""
    return [
        f"{number}  {row.sheet_id}: labelled {'defective' if row.has_defect else 'clean'}, "
        f"score {row.score:.3f} ({row.evaluation.replace('_', ' ')})"
        for number, row in enumerate(mistakes.itertuples(), start=1)
    ]
