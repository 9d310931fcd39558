"""What is in a folder of pictures: size, brightness and fingerprint of each, and what is broken.

A picture that an earlier inventory describes, and whose file has the size and time of change it had
then, is not read again.

A fingerprint, by which copies are searched for, holds the low frequencies (discrete cosine
transform) of a thumbnail whose brightness and contrast were evened out locally: uneven light and
black borders, which many sheets share, weigh nothing in it. Mirroring a picture changes only signs
of the coefficients, so that the correlation of two pictures in all of their orientations costs one
matrix product.
"""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal.windows import tukey

from steel_defects.data.appearance import BLACK_LEVEL, frame_damage
from steel_defects.images.folder import SheetFolder
from steel_defects.images.orientations import is_oblong, laid_down
from steel_defects.images.reading import (
    UnreadableSheet,
    limited_by_memory,
    picture_note,
    sound_header,
    used_bits,
)
from steel_defects.progress import track
from steel_defects.tables.declared import SHEET_INVENTORY
from steel_defects.threads import map_in_order

Row = dict[str, Any]
Vectors = NDArray[np.float32]

THUMBNAIL = (64, 16)  # width and height of the thumbnail that look-alikes are found by
_EDGE = 5  # pixels, one more than a copy may be moved by
_TRIMMED_FROM = 64  # pixels of the shorter side; smaller pictures have no edge to spare
# Pixels from this on have lost their structure to too much light.
SATURATED_LEVEL = 250
# Share of black or of saturated pixels from which a frame shows next to nothing of the steel.
_FEATURELESS = 0.98
#: Of what is measured. Raise it with any change: rows of another version are measured anew.
VERSION = 4


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
        ``sheet_inventory``, one row per picture, in the folder's order. ``problem`` says why one
        can't be used; ``note`` says what reading had to change, and that a frame is black,
        overexposed or incomplete; ``contrast`` is the standard deviation of the gray values;
        ``thumbnail`` and ``fingerprint`` hold the bytes of what the functions so named return.
    """
    known = _by_path(earlier)

    def describe(sheet_id: str) -> Row:
        row = known.get(folder.relative_path(sheet_id))
        return row if row and _unchanged(row, folder, sheet_id) else _describe(folder, sheet_id)

    ids = folder.sheet_ids
    rows = track(map_in_order(describe, ids), len(ids), "reading sheets")
    table = _check_turn(SHEET_INVENTORY.typed(list(rows)))
    return _check_size(table, expected_size) if expected_size else table


def _by_path(earlier: pd.DataFrame | None) -> dict[str, Row]:
    """Return the earlier rows that describe a readable picture, by its path."""
    if earlier is None or earlier.empty or set(earlier.columns) != set(SHEET_INVENTORY.columns):
        return {}
    usable = earlier[earlier["width"].notna() & (earlier["version"] == VERSION)]
    # Problems of sizes and turns are looked for in every run, with that run's parameters.
    kept = usable["problem"].where(usable["problem"].str.startswith((_MASK, _DEPTH)), "")
    return {row["path"]: row for row in usable.assign(problem=kept).to_dict("records")}


def _unchanged(row: Row, folder: SheetFolder, sheet_id: str) -> bool:
    with suppress(OSError):
        file = folder.path_of(sheet_id).stat()
        same = (file.st_size, file.st_mtime_ns) == (row["bytes"], row["modified_ns"])
        if row["bits"] > 8:  # it is decoded with the depth of this run
            same = same and row["bits"] == _decoded_bits(folder)
        return same and not folder.problem_of(sheet_id)
    return False


def _decoded_bits(folder: SheetFolder) -> int:
    """Return the bits with which pictures of 16 are decoded."""
    return folder.bit_depth or 16


def _describe(folder: SheetFolder, sheet_id: str) -> Row:
    row: Row = dict.fromkeys(SHEET_INVENTORY.columns)
    row |= {"sheet_id": sheet_id, "path": folder.relative_path(sheet_id), "version": VERSION}
    row |= {"problem": "", "note": "", "bytes": 0, "modified_ns": 0, "exif": 1, "bits": 8}
    try:
        modified_ns = 0
        # Before the file is read: if it changes meanwhile, the next run reads it again.
        with suppress(OSError):  # reading the file will say why
            modified_ns = folder.path_of(sheet_id).stat().st_mtime_ns
        with limited_by_memory():
            data = folder.read_file(sheet_id)
            row |= {"bytes": len(data), "modified_ns": modified_ns}
            row["sha256"] = hashlib.sha256(data).hexdigest()
            image, header = folder.decode(data), sound_header(data)
            row |= _measure(image) | {"exif": header.exif}
            row["problem"] = _mask_values(image)
            if header.bits > 8:
                row["bits"] = _decoded_bits(folder)
                unknown = _unknown_depth(used_bits(data), folder.bit_depth)
                row["problem"] = unknown or row["problem"]
            row["note"] = "; ".join(filter(None, _notes(data, image, row)))
    except UnreadableSheet as error:
        row["problem"] = str(error)
    return row


def _check_turn(table: pd.DataFrame) -> pd.DataFrame:
    """Find fault with pictures that ask to be turned where their size can't show that it fits."""
    unclear = (table["exif"] > 1) & ((table["exif"] < 5) | (table["width"] == table["height"]))
    unclear = unclear.fillna(False) & (table["problem"] == "")
    asked = "asks to be turned or mirrored (EXIF " + table["exif"].astype("str")
    why = "), and nothing shows whether its labels were drawn so; save it as it is to be seen"
    table.loc[unclear, "problem"] = asked[unclear] + why
    return table


def _check_size(table: pd.DataFrame, expected: tuple[int, int]) -> pd.DataFrame:
    height, width = expected
    sizes = table["width"].astype("str") + "×" + table["height"].astype("str")
    wrong = (table["width"] != width) | (table["height"] != height)
    wrong = wrong.fillna(False) & (table["problem"] == "")
    turned = np.where(table["exif"] > 1, " (turned, as its EXIF data ask)", "")
    size = "size " + sizes + pd.Series(turned, table.index) + f", expected {width}×{height}"
    table.loc[wrong, "problem"] = size[wrong]
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


_DEPTH = "16 bits a channel"


def _unknown_depth(bits: int, bit_depth: int | None) -> str:
    """Say so where a camera seems to use fewer bits than it stores."""
    if bit_depth or bits in (8, 16):
        return ""
    return f"{_DEPTH}, of which {bits} are used: give --params bit_depth={bits} if they all are so"


_MASK = "a mask, not a picture"
_MOST_CLASSES = 10
_MASK_EDGES = 0.1


def _mask_values(image: NDArray[np.uint8]) -> str:
    """Say so where a picture holds areas of a mask's values: 0, and small ones or 255."""
    levels = np.flatnonzero(np.bincount(image.reshape(-1), minlength=256)).tolist()
    few = 2 <= len(levels) <= _MOST_CLASSES and levels[0] == 0
    small = few and (levels[-1] < _MOST_CLASSES or levels == [0, 255])
    # In a dark frame of few values every other pixel differs from its neighbour.
    if small and np.count_nonzero(image[1:] != image[:-1]) < _MASK_EDGES * image.size:
        return f"{_MASK}: its only values are {', '.join(map(str, levels))}"
    return ""


def _notes(data: bytes, image: NDArray[np.uint8], row: Row) -> Iterator[str]:
    yield picture_note(data)
    black, saturated = row["black_fraction"], row["saturated_fraction"]
    if black >= _FEATURELESS:
        yield f"black frame: {black:.0%} of its pixels are darker than {BLACK_LEVEL}"
    elif saturated >= _FEATURELESS:
        yield f"overexposed frame: {saturated:.0%} of its pixels are {SATURATED_LEVEL} or brighter"
    if damage := frame_damage(image):
        yield f"incomplete frame: {damage}"


def masks_among(table: pd.DataFrame) -> "pd.Series[bool]":
    """Say of each picture whether it is a mask."""
    return table["problem"].str.startswith(_MASK)


def is_featureless(table: pd.DataFrame) -> "pd.Series[bool]":
    """Say of each picture whether it is black, or overexposed, all over."""
    return table[["black_fraction", "saturated_fraction"]].max(axis=1) >= _FEATURELESS


def fingerprints_of(table: pd.DataFrame) -> Iterator[NDArray[np.float16]]:
    """Turn the column ``fingerprint`` of sound pictures back into arrays."""
    return (np.frombuffer(data, np.float16) for data in table["fingerprint"])


def thumbnails_of(table: pd.DataFrame) -> NDArray[np.uint8]:
    """Turn the column ``thumbnail`` back into an array of shape ``(pictures, 1024)``, uint8."""
    joined = b"".join(table["thumbnail"])
    return np.frombuffer(joined, np.uint8).reshape(len(table), THUMBNAIL[0] * THUMBNAIL[1])


@dataclass(frozen=True)
class Shape:
    """How pictures of one shape are described.

    Attributes:
        grid: Width and height of the thumbnail.
        size: Rows and columns of coefficients. Few enough that a shift by 4 pixels of a
            picture 200 pixels high moves the phase of none by more than half a radian.
        sigma: Of the Gaussian window, pixels of the thumbnail, of :func:`even_out`.
        floor: Contrast, gray values, that is not amplified.
        bands: Columns of coefficients between which bands of frequency begin and end.
        taper: Share of height and width over which the window rises and falls.
    """

    grid: tuple[int, int]
    size: tuple[int, int]
    sigma: float
    floor: float
    bands: tuple[int, ...]
    taper: tuple[float, float]

    @cached_property
    def window(self) -> Vectors:
        """Weight of each pixel of the thumbnail: less near the edge, where a move changes most."""
        sides = zip(self.grid[::-1], self.taper, strict=True)
        rows, columns = (tukey(side + 2, taper)[1:-1] for side, taper in sides)
        return np.outer(rows, columns).astype(np.float32)

    @property
    def length(self) -> int:
        """Number of values of a fingerprint."""
        return self.size[0] * self.size[1]


SQUARE = Shape(grid=(64, 64), size=(12, 12), sigma=6, floor=2, bands=(0, 6, 12), taper=(0.2, 0.2))
OBLONG = Shape(
    grid=(200, 32), size=(12, 32), sigma=4, floor=1, bands=(0, 10, 20, 32), taper=(0.3, 0.0)
)


def shape_of(height: int, width: int) -> Shape:
    """Return how pictures of a size are described."""
    return OBLONG if is_oblong(height, width) else SQUARE


def fingerprint(image: NDArray[np.uint8]) -> NDArray[np.float16]:
    """Describe a picture by the low frequencies of its structure.

    Oblong pictures are laid down first, so that a quarter turn changes nothing.

    Returns:
        Vector of length 1 (0 for a picture without structure), of shape ``(384,)`` for oblong
        pictures, whose sides differ at least twofold, and ``(144,)`` for others.
    """
    shape = shape_of(*image.shape)
    lying = laid_down(image)
    if min(image.shape) >= _TRIMMED_FROM:
        # At the edge, a picture that was moved shows something else, or nothing.
        lying = lying[_EDGE:-_EDGE, _EDGE:-_EDGE]
    lying = np.ascontiguousarray(lying)
    thumbnail = cv2.resize(lying, shape.grid, interpolation=cv2.INTER_AREA).astype(np.float32)
    even = even_out(thumbnail, np.ones_like(thumbnail), shape.sigma, shape.floor)
    coefficients = cv2.dct(even * shape.window)[: shape.size[0], : shape.size[1]].copy()
    coefficients[0, 0] = 0
    length = float(np.linalg.norm(coefficients))
    if length < 1e-3:
        return np.zeros(shape.length, np.float16)
    return (coefficients / length).reshape(-1).astype(np.float16)


def even_out(image: Vectors, steel: Vectors, sigma: float, floor: float) -> Vectors:
    """Bring a picture to mean 0 and deviation 1 around each of its pixels.

    Args:
        image: Gray values of shape ``(height, width)``, float32.
        steel: 1 where there is steel, 0 next to the strip; there the result is 0.
        sigma: Of the Gaussian window, pixels.
        floor: Deviation, gray values, added so that noise of smooth steel is not amplified.
    """

    def average(values: Vectors) -> Vectors:
        return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma), np.float32)

    weight = np.maximum(average(steel), np.float32(1e-3))
    detail = np.asarray((image - average(image * steel) / weight) * steel, np.float32)
    deviation = np.sqrt(average(detail * detail) / weight)
    return np.asarray(detail / (deviation + floor), np.float32)


def thumbnail_of(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shrink a picture to ``(16, 64)``, uint8, by averaging."""
    return np.asarray(cv2.resize(image, THUMBNAIL, interpolation=cv2.INTER_AREA), np.uint8)
