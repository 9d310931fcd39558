"""Which class is taken for which: a figure, a table and a sentence for the report."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from steel_defects.drawing import style
from steel_defects.evaluation.class_confusion import FALSE_ALARM, MISSED
from steel_defects.reporting.tables import Table, basis, percent


def confusion_table(confusion: pd.DataFrame) -> Table | None:
    """Set out the table ``class_confusion``: a row per class of the truth; None without regions."""
    if confusion.empty or not confusion["regions"].sum():
        return None
    names, counts = _matrix(confusion)
    rows = [
        [name, *(f"{count:,}" for count in row), f"{row.sum():,}"]
        for name, row in zip([*names, FALSE_ALARM], counts, strict=True)
    ]
    rows[-1][-2] = "–"  # neither in the truth nor predicted
    columns = [("truth", False), *((name, True) for name in [*names, MISSED, "regions"])]
    caption = "Regions of the truth, by the predicted class that covers most of them"
    return Table(caption, columns, rows, remark=confusion_sentence(confusion))


def confusion_sentence(confusion: pd.DataFrame) -> str:
    """Say how many regions are given their class, another one or none, and the usual mix-up."""
    names, counts = _matrix(confusion)
    true, (*alarms, _) = counts[:-1], counts[-1]
    total = int(true.sum())
    own, missed = int(np.trace(true)), int(true[:, -1].sum())
    others = total - own - missed
    parts = [f"{sum(alarms):,} predicted regions touch no defect."]
    if total:
        shares = [f"{n:,} ({percent(n / total)})" for n in (own, others, missed)]
        parts = [
            f"Of {total:,} defects on {basis(confusion.iloc[0])}, {shares[0]} are given their own "
            f"class, {shares[1]} another one, and {shares[2]} are missed; {parts[0]}",
            _usual(names, true),
        ]
    return " ".join(parts)


def _usual(names: list[str], true: NDArray[np.int64]) -> str:
    mixed = true[:, :-1] * (1 - np.eye(len(names), dtype=np.int64))
    if not mixed.any():
        return "No defect is taken for one of another class."
    one, other = np.unravel_index(int(mixed.argmax()), mixed.shape)
    return (
        f"The most frequent mix-up: {mixed[one, other]:,} of {true[one].sum():,} defects of "
        f"{names[one]} are taken for {names[other]}."
    )


def class_confusion_figure(confusion: pd.DataFrame) -> Figure:
    """Show the table ``class_confusion`` as a matrix, shaded by the share of each row."""
    if confusion.empty or not confusion["regions"].sum():
        return style.nothing_to_show("There is no defect, in truth or in prediction.")
    names, counts = _matrix(confusion)
    figure = style.new_figure(max(5.2, 1.2 + 0.95 * (len(names) + 1)), 1.3 + 0.62 * len(counts))
    axes = style.set_up(figure.subplots(), x="predicted class", y="class in truth", grid=None)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    shares[-1] = 0  # false alarms are no share of any defects
    axes.imshow(shares, cmap="Greens", vmin=0, vmax=1.6, aspect="auto")  # light enough for ink
    for (row, column), count in np.ndenumerate(counts[:, : len(names) + 1]):
        if (row, column) == (len(names), len(names)):
            continue
        place: dict[str, Any] = {"ha": "center", "va": "center", "color": style.INK}
        axes.text(column, row - 0.08, f"{count:,}", size=11, **place)
        if row < len(names) and counts[row].any():
            axes.text(column, row + 0.27, percent(shares[row, column], 0), size=7.5, **place)
    axes.set_xticks(range(len(names) + 1), [*names, MISSED])
    axes.set_yticks(range(len(counts)), [*names, FALSE_ALARM])
    axes.axhline(len(names) - 0.5, color=style.INK, linewidth=0.8)
    axes.axvline(len(names) - 0.5, color=style.INK, linewidth=0.8)
    axes.spines[:].set_visible(False)
    style.note(figure, [f"Regions on {basis(confusion.iloc[0])}; shares of a row."])
    return figure


def _matrix(confusion: pd.DataFrame) -> tuple[list[str], NDArray[np.int64]]:
    """Return the names of the classes, and counts of shape ``(classes + 1, classes + 1)``.

    The last row are false alarms, the last column is what is missed.
    """
    own = confusion[confusion["class_id"].notna() & confusion["predicted_class_id"].isna()]
    names = own.sort_values("class_id")["class_name"].tolist()
    last = len(names) + 1
    places = confusion[["class_id", "predicted_class_id"]].fillna(last).astype(int) - 1
    counts = np.zeros((last, last), np.int64)
    np.add.at(counts, (places["class_id"], places["predicted_class_id"]), confusion["regions"])
    return names, counts
