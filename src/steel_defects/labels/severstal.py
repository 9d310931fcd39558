"""Severstal's ``train.csv``, in both of its column layouts.

Today's file has ``ImageId,ClassId,EncodedPixels`` and a row only where there is a defect. The
competition's had ``ImageId_ClassId,EncodedPixels``, a row for every sheet and class, and empty
cells for no defect. A sheet without a defect row is clean.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

import pandas as pd

from steel_defects.errors import SteelDefectsError, shown
from steel_defects.labels import rle as run_length
from steel_defects.tables.declared import ANNOTATIONS

_TODAY = ["ImageId", "ClassId", "EncodedPixels"]
_COMPETITION = ["ImageId_ClassId", "EncodedPixels"]


@dataclass(frozen=True)
class Finding:
    """Something in a file, row or sheet that data engineering set aside or wants known, and why."""

    where: str
    sheet_id: str
    reason: str
    set_aside: bool = True


def layout_of(columns: Iterable[object]) -> list[str]:
    """Return those columns of a file that carry the annotations.

    Spaces around the names and a byte order mark do not count.

    Raises:
        SteelDefectsError: The file has neither layout's columns, or one of them twice.
    """
    names = [_plain(name) for name in columns]
    for layout in (_TODAY, _COMPETITION):
        if set(layout) <= set(names):
            if twice := [name for name in layout if names.count(name) > 1]:
                raise SteelDefectsError(f"the annotations have two columns {twice[0]}")
            return layout
    raise SteelDefectsError(
        f"the annotations have columns {shown(', '.join(names), 200)}; expected "
        f"{','.join(_TODAY)} or {','.join(_COMPETITION)}"
    )


def _plain(name: object) -> str:
    return str(name).strip().lstrip("\ufeff")


def normalise_columns(raw: pd.DataFrame) -> pd.DataFrame:
    """Bring either layout to ``sheet_id``, ``class_id`` and ``rle``, all text, one row per defect.

    ``raw`` is the file as text, empty cells as ``""``; its index, rows from 0, stays.
    """
    layout = layout_of(raw.columns)
    table = raw.rename(columns=_plain)[layout]
    if layout == _COMPETITION:
        # Unlike str.rpartition, extract gives its columns for a file without rows, too.
        parts = table["ImageId_ClassId"].str.extract(r"(?s)^(.*?)_?([^_]*)$")
        table = pd.concat([parts, table["EncodedPixels"]], axis=1)
    table = table.set_axis(["sheet_id", "class_id", "rle"], axis=1)
    table = table.apply(lambda column: column.str.strip())
    return table[table["rle"] != ""]


def check_annotations(
    table: pd.DataFrame, sizes: dict[str, tuple[int, int]], classes: int
) -> tuple[pd.DataFrame, list[Finding]]:
    """Keep the rows that describe a defect of a sheet; find fault with the others.

    Args:
        table: Rows from :func:`normalise_columns`.
        sizes: Height and width, pixels, of every readable sheet.
        classes: Number of defect classes.

    Returns:
        ``sheet_id, class_id, rle, area_px`` of the sound rows, and a finding for each of the rest,
        with a text that is short and safe to show whatever the file holds.
    """
    sound: dict[tuple[str, int], tuple[str, int]] = {}
    findings: list[Finding] = []
    for number, sheet_id, class_text, rle in table.itertuples(name=None):
        try:
            if sheet_id not in sizes and _leads_out(sheet_id):
                raise SteelDefectsError("row names a file outside the picture folder")
            class_id = _class_of(class_text, classes)
            if sheet_id not in sizes:
                raise SteelDefectsError("row for a picture that is missing or unreadable")
            if (sheet_id, class_id) in sound:
                raise SteelDefectsError(f"second row for class {class_id} of the same sheet")
            run_length.parse(rle, sizes[sheet_id][0] * sizes[sheet_id][1])
        except SteelDefectsError as error:
            name = sheet_id if sheet_id in sizes else shown(sheet_id)
            findings.append(Finding(f"annotations, row {number + 1}", name, str(error)))
        else:
            sound[sheet_id, class_id] = rle, run_length.area(rle)
    rows = ANNOTATIONS.typed([(*key, *mask) for key, mask in sound.items()])
    return rows.sort_values(["sheet_id", "class_id"], ignore_index=True), findings


def _leads_out(name: str) -> bool:
    # No name in the file is ever opened; but such a one is no slip of the pen.
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts or "\\" in name


def _class_of(text: str, classes: int) -> int:
    short = text.isascii() and text.isdecimal() and len(text) < 10
    if not (short and 1 <= int(text) <= classes):
        raise SteelDefectsError(f"class '{shown(text)}' is not one of 1 to {classes}")
    return int(text)


def masks_by_sheet(annotations: pd.DataFrame) -> dict[str, dict[int, str]]:
    """Sort encoded masks by sheet and class."""
    masks: dict[str, dict[int, str]] = {}
    columns = annotations[["sheet_id", "class_id", "rle"]]
    for sheet_id, class_id, rle in columns.itertuples(index=False, name=None):
        masks.setdefault(sheet_id, {})[int(class_id)] = rle
    return masks


def sizes_by_sheet(sheets: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Return height and width, pixels, of each sheet."""
    sizes = zip(map(int, sheets["height"]), map(int, sheets["width"]), strict=True)
    return dict(zip(sheets["sheet_id"], sizes, strict=True))


def submission_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """Write ``sheet_id, class_id, rle``, one row per sheet and class, as the competition does.

    Returns:
        ``ImageId_ClassId,EncodedPixels``, empty text for no defect.
    """
    keys = predictions["sheet_id"].astype("str") + "_" + predictions["class_id"].astype(str)
    return pd.DataFrame({"ImageId_ClassId": keys, "EncodedPixels": predictions["rle"]})
