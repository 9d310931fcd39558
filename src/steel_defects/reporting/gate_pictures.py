"""What the gate looks at, and where it is confidently wrong: pictures and words."""

import textwrap
from collections.abc import Sequence

import cv2
import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from numpy.typing import NDArray

from steel_defects.decision.score_tables import out_of_fold
from steel_defects.drawing import style
from steel_defects.drawing.style import contact_sheet
from steel_defects.evaluation.attention import summarise_attention
from steel_defects.evaluation.gate import EVEN_ODDS
from steel_defects.reporting.tables import labelled, percent
from steel_defects.tables.declared import CONFIDENT_MISTAKES

Image = NDArray[np.uint8]

#: What can become of a sheet at the gate, of that which is worth explaining.
EXPLAINED = ("hit", "miss", "false alarm")

# Even steps of lightness, so that it is read alike by every eye, and in gray print.
_COLOURS = "inferno"
_OPACITY = 0.6  # of the hottest place; less heat lets more of the sheet through
_OUTLINE = (0, 230, 90)
_CASING = (0, 40, 20)


def gate_outcomes(labels: pd.Series, cleared: pd.Series) -> NDArray[np.str_]:
    """Say what becomes of each sheet: ``hit``, ``miss``, ``false alarm`` or ``clean``."""
    return np.select([labels & ~cleared, labels, ~cleared], EXPLAINED, "clean")


def choose_explained(outcomes: pd.DataFrame, each: int, seed: int) -> pd.DataFrame:
    """Draw at most ``each`` sheets of every outcome that is worth explaining, by a seed.

    The order of ``outcomes`` (``sheet_id, outcome`` and more, one row per sheet) plays no part.
    """
    rng = np.random.default_rng(seed)
    ordered = outcomes.sort_values("sheet_id")
    parts = [ordered[ordered["outcome"] == outcome] for outcome in EXPLAINED]
    chosen = [part.iloc[np.sort(rng.permutation(len(part))[:each])] for part in parts]
    return pd.concat(chosen, ignore_index=True)


def outlined(image: Image, mask: Image) -> Image:
    """Draw the outline of a mask in green over a gray or RGB picture; returns RGB, uint8.

    The picture is ``(height, width)`` or ``(height, width, 3)``, the mask ``(height, width)``, 0
    for no defect.
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
    """Lay a map of heat, from 0 on, over a gray sheet of the same shape; returns RGB, uint8.

    The hottest place gets the brightest colour.
    """
    share = heat / max(float(heat.max()), float(np.finfo(np.float32).tiny))
    colours = colormaps[_COLOURS](share)[..., :3] * 255
    opacity = _OPACITY * share[..., None]
    blended = image[..., None] * (1 - opacity) + colours * opacity
    return np.asarray(blended.round(), np.uint8)


def grad_cam_figure(pictures: Sequence[Image], captions: Sequence[str], threshold: float) -> Figure:
    """Arrange explained sheets, RGB, with captions and a scale of the heat below them."""
    nothing = "No hit, miss or false alarm among the sheets that training did not see."
    figure = contact_sheet(pictures, captions, nothing)
    if pictures:
        bar = figure.colorbar(
            ScalarMappable(cmap=_COLOURS), ax=figure.axes, location="bottom", aspect=60,
            shrink=0.5, pad=0.01,
        )  # fmt: skip
        text = "heat, as a share of the sheet's highest; green: true outline; sheets are flagged"
        label = textwrap.fill(f"{text} from {threshold:.3f}", round(13 * figure.get_figwidth()))
        bar.set_label(label, fontsize=8, color=style.INK)
        bar.ax.tick_params(labelsize=8, length=0)
        bar.outline.set_visible(False)
    return figure


def attention_sentence(table: pd.DataFrame) -> str:
    """Say in one line whether the gate looks at the defects, by the table ``grad_cam_check``."""
    summary = summarise_attention(table)
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


def confident_mistakes(scores: pd.DataFrame, most: int) -> pd.DataFrame:
    """List the sheets whose score is furthest on the wrong side of even odds, the worst first.

    Scores out of fold count, averaged over the repeats, since they cover every sheet; without a
    cross-validation, those of the sheets that training did not see.

    Args:
        scores: ``sheet_id, split, repeat, has_defect, score``, one row per sheet and repeat.
        most: Sheets at most.
    """
    table = scores[scores["split"] != "train"].assign(evaluation=lambda rows: rows["split"])
    if len(crossed := out_of_fold(scores)):
        by_sheet = crossed.groupby("sheet_id", as_index=False)
        table = by_sheet.agg(has_defect=("has_defect", "first"), score=("score", "mean"))
        table["evaluation"] = "out_of_fold"
    table = table.assign(error=(table["score"] - table["has_defect"]).abs())
    table = table[table["error"] > EVEN_ODDS]
    table = table.sort_values(["error", "sheet_id"], ascending=[False, True])
    return CONFIDENT_MISTAKES.typed(table.head(most).reset_index(drop=True))


def mistake_captions(mistakes: pd.DataFrame) -> list[str]:
    """Describe each mistake: sheet, label, score, and where the score comes from."""
    return [
        f"{labelled(number, row)}, score {row.score:.3f} ({row.evaluation.replace('_', ' ')})"
        for number, row in enumerate(mistakes.itertuples(), start=1)
    ]
