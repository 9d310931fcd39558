"""Severstal's ``train.csv``, in both of its column layouts.

Today's file has ``ImageId,ClassId,EncodedPixels`` and a row only where there is a defect. The
competition's had ``ImageId_ClassId,EncodedPixels``, a row for every sheet and class, and empty
cells for no defect. A sheet without a defect row is clean.
"""

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath

import numpy as np
import pandas as pd

from steel_defects.errors import SteelDefectsError, shown
from steel_defects.labels import rle as run_length
from steel_defects.labels.masks import UNKNOWN_CLASS, Finding, Masks, Misnamed
from steel_defects.labels.names import may_mean, misnamed_of, near_names
from steel_defects.tables.declared import ANNOTATIONS

_TODAY = ["ImageId", "ClassId", "EncodedPixels"]
_COMPETITION = ["ImageId_ClassId", "EncodedPixels"]


#: What pandas and the competition's tools write for no mask.
_NO_MASK = frozenset({"", "-1", "nan", "none", "null"})


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

    ``raw`` is the file as text, empty cells as ``""``; its index, rows from 0, stays. A row whose
    mask is empty, ``-1`` or ``nan`` describes no defect.
    """
    layout = layout_of(raw.columns)
    table = raw.rename(columns=_plain)[layout]
    if layout == _COMPETITION:
        # Unlike str.rpartition, extract gives its columns for a file without rows, too.
        parts = table["ImageId_ClassId"].str.extract(r"(?s)^(.*?)_?([^_]*)$")
        table = pd.concat([parts, table["EncodedPixels"]], axis=1)
    table = table.set_axis(["sheet_id", "class_id", "rle"], axis=1)
    table = table.apply(lambda column: column.str.strip())
    return table[~table["rle"].str.lower().isin(_NO_MASK)]


def check_annotations(
    table: pd.DataFrame,
    sizes: Mapping[str, tuple[int, int]],
    class_names: Sequence[str],
    unreadable: Collection[str] = (),
) -> Masks:
    """Keep the rows that describe a defect of a sheet; find fault with the others.

    Several rows for one sheet and class are joined. Rows whose picture is simply not there are
    counted in one finding: a whole file with a part of its pictures is normal use. Sheets that
    misnamed rows may belong to are set aside.

    Args:
        table: Rows from :func:`normalise_columns`.
        sizes: Height and width, pixels, of every readable sheet.
        class_names: Of classes 1, 2, …; a row may give either.
        unreadable: Names of the other pictures.

    Returns:
        The masks; each finding's text is short and safe to show whatever the file holds.
    """
    rows = [_Row(number + 1, *cells) for number, *cells in table.itertuples(name=None)]
    pictures = {*sizes, *unreadable}
    known = [row for row in rows if row.sheet_id in pictures]
    absent = [row for row in rows if row.sheet_id not in pictures]
    sound, findings, claims = _read_rows(known, sizes, list(class_names))
    misnamed, strays = _strays(absent, pictures, len(rows))
    joined, told = _join(sound, sizes)
    return Masks(
        table=joined.sort_values(["sheet_id", "class_id"], ignore_index=True),
        findings=findings + told + strays,
        claims={sheet_id: frozenset(classes) for sheet_id, classes in claims.items()},
        labels=len(rows),
        matched=len(known),
        misnamed=misnamed,
        from_zero=_from_zero(known, len(class_names)),
        cut=sum(len(row.rle) == SPREADSHEET_CELL for row in known),
    )


@dataclass(frozen=True)
class _Row:
    """A row of the file, its number from 1, and its cells."""

    number: int
    sheet_id: str
    class_text: str
    rle: str

    def finding(self, name: str, reason: str, set_aside: bool = True) -> Finding:
        return Finding(self.where, name, reason, set_aside)

    @property
    def where(self) -> str:
        """The place in the file, for people."""
        return f"annotations, row {self.number}"


Sound = dict[tuple[str, int], list[_Row]]


def _read_rows(
    rows: Iterable[_Row], sizes: Mapping[str, tuple[int, int]], class_names: Sequence[str]
) -> tuple[Sound, list[Finding], dict[str, set[int]]]:
    """Sort the sound rows of pictures that are there by sheet and class."""
    sound: Sound = {}
    findings: list[Finding] = []
    claims: dict[str, set[int]] = {}
    for row in rows:
        class_id = _class_of(row.class_text, class_names)
        claims.setdefault(row.sheet_id, set()).add(class_id)
        if row.sheet_id not in sizes:
            reason = "row for a picture that can't be used"
            findings.append(row.finding(row.sheet_id, reason, set_aside=False))
            continue
        try:
            _check(row, class_id, sizes, len(class_names))
        except SteelDefectsError as error:
            findings.append(row.finding(row.sheet_id, str(error)))
        else:
            sound.setdefault((row.sheet_id, class_id), []).append(row)
    return sound, findings, claims


def _check(row: _Row, class_id: int, sizes: Mapping[str, tuple[int, int]], classes: int) -> None:
    if class_id == UNKNOWN_CLASS:
        raise SteelDefectsError(f"class '{shown(row.class_text)}' is not one of 1 to {classes}")
    if len(row.rle) == SPREADSHEET_CELL:
        raise SteelDefectsError(
            f"mask of {SPREADSHEET_CELL:,} characters, where spreadsheets cut a cell"
        )
    run_length.parse(row.rle, math.prod(sizes[row.sheet_id]))


def _class_of(text: str, class_names: Sequence[str]) -> int:
    """Read a class by its number, also as pandas writes it once a cell was empty, or its name."""
    if text in class_names and not text.isdecimal():
        return class_names.index(text) + 1
    number = class_number(text) or 0
    return number if 1 <= number <= len(class_names) else UNKNOWN_CLASS


def class_number(text: str) -> int | None:
    """Read the number of a class; None for a name."""
    plain = _NUMBER.fullmatch(text)
    return int(plain[1]) if plain else None


_NUMBER = re.compile(r"(\d{1,9})(?:\.0*)?", re.ASCII)
#: Characters of the longest cell that Excel and its like keep; they cut the rest.
SPREADSHEET_CELL = 32_767


def _join(sound: Sound, sizes: Mapping[str, tuple[int, int]]) -> tuple[pd.DataFrame, list[Finding]]:
    """Encode one mask per sheet and class; tell which ones several rows gave."""
    table, findings = [], []
    for (sheet_id, class_id), rows in sound.items():
        rle = rows[0].rle
        if len(rows) > 1:
            masks = [run_length.decode(row.rle, *sizes[sheet_id]) for row in rows]
            for at, row in enumerate(rows[1:], start=1):
                same = any(np.array_equal(masks[at], one) for one in masks[:at])
                told = "the same pixels, counted once" if same else "joined with the first"
                reason = f"one more row for class {class_id} of the same sheet: {told}"
                findings.append(row.finding(sheet_id, reason, set_aside=False))
            rle = run_length.encode(np.maximum.reduce(masks))
        table.append((sheet_id, class_id, rle, run_length.area(rle)))
    return ANNOTATIONS.typed(table), findings


def _strays(
    rows: Sequence[_Row], pictures: Collection[str], of: int
) -> tuple[Misnamed | None, list[Finding]]:
    """Tell rows that name no picture, and which pictures they may mean."""
    outside = {row.sheet_id for row in rows if ".." in _parts(row.sheet_id)}
    near = near_names((row.sheet_id for row in rows if row.sheet_id not in outside), pictures)
    findings, missing = [], []
    for row in rows:
        name = row.sheet_id
        if name in near:
            change, meant = near[name]
            findings += may_mean(row.where, f"a row for {shown(name)}", change, meant)
        elif name in outside or _is_absolute(name):
            findings.append(row.finding(shown(name), "row names a file outside the picture folder"))
        else:
            missing.append(row)
    if missing:
        rows_name = "row names" if len(missing) == 1 else "rows name"
        reason = f"{len(missing):,} {rows_name} no picture that is there"
        findings.append(missing[0].finding(shown(missing[0].sheet_id), reason, set_aside=False))
    names = [row.sheet_id for row in rows if row.sheet_id in near]
    return misnamed_of(names, near, of), findings


def _parts(name: str) -> tuple[str, ...]:
    return PurePosixPath(name.replace("\\", "/")).parts


def _is_absolute(name: str) -> bool:
    # No name in the file is ever opened; but such a one is no slip of the pen.
    return PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive != ""


def _from_zero(rows: Sequence[_Row], classes: int) -> int:
    numbers = [match[1] for row in rows if (match := _NUMBER.fullmatch(row.class_text))]
    zeros = sum(int(number) == 0 for number in numbers)
    return 0 if any(int(number) == classes for number in numbers) else zeros


def submission_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """Write ``sheet_id, class_id, rle``, one row per sheet and class, as the competition does.

    Returns:
        ``ImageId_ClassId,EncodedPixels``, empty text for no defect.
    """
    keys = predictions["sheet_id"].astype("str") + "_" + predictions["class_id"].astype(str)
    return pd.DataFrame({"ImageId_ClassId": keys, "EncodedPixels": predictions["rle"]})
