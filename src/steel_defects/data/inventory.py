"""What is in a folder of pictures: size, brightness and fingerprint of each, and what is broken.

A picture that an earlier inventory describes, and whose file has the size and time of change it had
then, is not read again.
"""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.data.appearance import BLACK_LEVEL, frame_damage
from steel_defects.data.fingerprints import THUMBNAIL, fingerprint, thumbnail_of
from steel_defects.images.folder import SheetFolder
from steel_defects.images.reading import (
    UnreadableSheet,
    decode_gray,
    limited_by_memory,
    picture_note,
)
from steel_defects.progress import track
from steel_defects.tables.declared import SHEET_INVENTORY
from steel_defects.threads import map_in_order

Row = dict[str, Any]

# Pixels from this on have lost their structure to too much light.
SATURATED_LEVEL = 250
# Share of black or of saturated pixels from which a frame shows next to nothing of the steel.
_FEATURELESS = 0.98
#: Of what is measured. Raise it with any change: rows of another version are measured anew.
VERSION = 3


def take_inventory(
    folder: SheetFolder,
    expected_size: tuple[int, int] | None = None,
    earlier: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Read every new or changed picture of a folder once, on all cores.

    Args:
        folder: The pictures.
        expected_size: Height and width, pixels, that every sheet must have; None takes any.
        earlier: The inventory of an earlier run.

    Returns:
        ``sheet_inventory``, one row per picture, in the folder's order.
        ``problem`` says why a picture can't be used, and is empty for a sound one; ``note`` says
        what reading had to change, and that a frame is black, overexposed or incomplete.
        ``contrast`` is the standard deviation of the gray values; ``thumbnail`` and ``fingerprint``
        are the bytes of the arrays of :mod:`steel_defects.data.fingerprints`.
    """
    known = _by_path(earlier)

    def describe(sheet_id: str) -> Row:
        row = known.get(folder.relative_path(sheet_id))
        return row if row and _unchanged(row, folder, sheet_id) else _describe(folder, sheet_id)

    ids = folder.sheet_ids
    rows = track(map_in_order(describe, ids), len(ids), "reading sheets")
    table = SHEET_INVENTORY.typed(list(rows))
    return _check_size(table, expected_size) if expected_size else table


def _by_path(earlier: pd.DataFrame | None) -> dict[str, Row]:
    """Return the earlier rows that describe a readable picture, by its path."""
    if earlier is None or earlier.empty or set(earlier.columns) != set(SHEET_INVENTORY.columns):
        return {}
    usable = earlier[earlier["width"].notna() & (earlier["version"] == VERSION)]
    return {row["path"]: row | {"problem": ""} for row in usable.to_dict("records")}


def _unchanged(row: Row, folder: SheetFolder, sheet_id: str) -> bool:
    with suppress(OSError):
        file = folder.path_of(sheet_id).stat()
        same = (file.st_size, file.st_mtime_ns) == (row["bytes"], row["modified_ns"])
        return same and not folder.problem_of(sheet_id)
    return False


def _describe(folder: SheetFolder, sheet_id: str) -> Row:
    row: Row = dict.fromkeys(SHEET_INVENTORY.columns)
    row |= {"sheet_id": sheet_id, "path": folder.relative_path(sheet_id), "version": VERSION}
    row |= {"problem": "", "note": "", "bytes": 0, "modified_ns": 0}
    try:
        modified_ns = 0
        # Before the file is read: if it changes meanwhile, the next run reads it again.
        with suppress(OSError):  # reading the file will say why
            modified_ns = folder.path_of(sheet_id).stat().st_mtime_ns
        with limited_by_memory():
            data = folder.read_file(sheet_id)
            row |= {"bytes": len(data), "modified_ns": modified_ns}
            row["sha256"] = hashlib.sha256(data).hexdigest()
            image = decode_gray(data)
            row |= _measure(image)
            damage = frame_damage(image)
            incomplete = f"incomplete frame: {damage}" if damage else ""
            notes = (picture_note(data), _exposure_note(row), incomplete)
            row["note"] = "; ".join(filter(None, notes))
    except UnreadableSheet as error:
        row["problem"] = str(error)
    return row


def _check_size(table: pd.DataFrame, expected: tuple[int, int]) -> pd.DataFrame:
    height, width = expected
    sizes = table["width"].astype("str") + "×" + table["height"].astype("str")
    wrong = (table["width"] != width) | (table["height"] != height)
    wrong = wrong.fillna(False) & (table["problem"] == "")
    table.loc[wrong, "problem"] = "size " + sizes[wrong] + f", expected {width}×{height}"
    return table


def _measure(image: NDArray[np.uint8]) -> Row:
    mean, deviation = cv2.meanStdDev(image)
    return {
        "width": image.shape[1],
        "height": image.shape[0],
        "mean_intensity": float(mean.item()),
        "contrast": float(deviation.item()),
        # Quotients of whole numbers: sums of quotients may exceed 1.
        "black_fraction": np.count_nonzero(image < BLACK_LEVEL) / image.size,
        "saturated_fraction": np.count_nonzero(image >= SATURATED_LEVEL) / image.size,
        "thumbnail": thumbnail_of(image).tobytes(),
        "fingerprint": fingerprint(image).tobytes(),
    }


def _exposure_note(row: Row) -> str:
    black, saturated = row["black_fraction"], row["saturated_fraction"]
    if black >= _FEATURELESS:
        return f"black frame: {black:.0%} of its pixels are darker than {BLACK_LEVEL}"
    if saturated >= _FEATURELESS:
        return f"overexposed frame: {saturated:.0%} of its pixels are {SATURATED_LEVEL} or brighter"
    return ""


def fingerprints_of(table: pd.DataFrame) -> Iterator[NDArray[np.float16]]:
    """Turn the column ``fingerprint`` of sound pictures back into arrays."""
    return (np.frombuffer(data, np.float16) for data in table["fingerprint"])


def thumbnails_of(table: pd.DataFrame) -> NDArray[np.uint8]:
    """Turn the column ``thumbnail`` back into an array of shape ``(pictures, 1024)``, uint8."""
    joined = b"".join(table["thumbnail"])
    return np.frombuffer(joined, np.uint8).reshape(len(table), THUMBNAIL[0] * THUMBNAIL[1])
