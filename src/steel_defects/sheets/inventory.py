"""What is in a folder of pictures: size, brightness and fingerprint of each, and what is broken."""

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.sheets.fingerprints import fingerprint
from steel_defects.sheets.folder import SheetFolder
from steel_defects.sheets.reading import UnreadableSheet, decode_gray, read_file

# Pixels darker than this lie beside the strip, not on it (JPEG noise around true black).
BLACK_LEVEL = 12


def take_inventory(
    folder: SheetFolder, expected_size: tuple[int, int] | None = None
) -> Iterable[dict[str, object]]:
    """Read every picture of a folder once, on all cores.

    Args:
        folder: The pictures.
        expected_size: Height and width, pixels, that every sheet must have; None takes any.

    Yields:
        A row a picture, in the folder's order, with the columns of :data:`INVENTORY_COLUMNS`;
        ``problem`` says why a picture can't be used, and is empty for a sound one.
    """

    def describe(sheet_id: str) -> dict[str, object]:
        row: dict[str, object] = dict.fromkeys(INVENTORY_COLUMNS)
        row |= {"sheet_id": sheet_id, "path": folder.relative_path(sheet_id), "problem": ""}
        try:
            data = read_file(folder.path_of(sheet_id))
            row |= {"sha256": hashlib.sha256(data).hexdigest(), **_measure(decode_gray(data))}
        except UnreadableSheet as error:
            row["problem"] = str(error)
            return row
        size = (row["height"], row["width"])
        if expected_size and size != tuple(expected_size):
            expected = f"{expected_size[1]}×{expected_size[0]}"
            row["problem"] = f"size {size[1]}×{size[0]}, expected {expected}"
        return row

    with ThreadPoolExecutor(cpu_count()) as pool:
        yield from pool.map(describe, folder.sheet_ids)


INVENTORY_COLUMNS = {
    "sheet_id": "str",
    "path": "str",
    "problem": "str",
    "width": "Int64",
    "height": "Int64",
    "sha256": "str",
    "mean_intensity": "float64",
    "black_fraction": "float64",
    "fingerprint": "object",
}


def inventory_table(rows: Iterable[dict[str, object]]) -> pd.DataFrame:
    """Collect the rows of :func:`take_inventory` into a table."""
    return pd.DataFrame(list(rows), columns=list(INVENTORY_COLUMNS)).astype(INVENTORY_COLUMNS)


def _measure(image: NDArray[np.uint8]) -> dict[str, object]:
    return {
        "width": image.shape[1],
        "height": image.shape[0],
        "mean_intensity": float(image.mean()),
        "black_fraction": float((image < BLACK_LEVEL).mean()),
        "fingerprint": fingerprint(image).tolist(),
    }
