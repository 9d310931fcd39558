"""Masks as pictures: one index PNG per sheet, 0 for background and k for class k."""

import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngImageFile

from steel_defects.errors import SteelDefectsError
from steel_defects.labels import rle as run_length
from steel_defects.labels.severstal import Finding
from steel_defects.paths import is_housekeeping, leads_out, shown_name
from steel_defects.tables.declared import ANNOTATIONS
from steel_defects.threads import map_in_order

Row = tuple[str, int, str, int]


@dataclass(frozen=True)
class MaskFolder:
    """A folder of masks, named as their sheets are, with the ending ``.png``.

    It may be a symbolic link. Inside, links to files are followed if they stay in it.
    """

    root: Path

    def path_of(self, sheet_id: str) -> Path:
        """Return the mask file of a sheet."""
        return (self.root / sheet_id).with_suffix(".png")

    def names(self) -> set[str]:
        """Return the paths of all masks below the folder, POSIX."""
        paths = (path.relative_to(self.root) for path in self.root.rglob("*.png"))
        return {path.as_posix() for path in paths if not any(map(is_housekeeping, path.parts))}

    @cached_property
    def real_root(self) -> str:
        """The folder with all links followed."""
        return os.path.realpath(self.root)


def read_annotations(
    folder: MaskFolder,
    sizes: Mapping[str, tuple[int, int]],
    classes: int,
    mask_values: Mapping[int, int] | None = None,
) -> tuple[pd.DataFrame, list[Finding]]:
    """Encode the masks of sheets; find fault with those that can't be trusted.

    Args:
        folder: The masks; one that is all background marks a clean sheet.
        sizes: Height and width, pixels, of every readable sheet.
        classes: Number of defect classes.
        mask_values: Class of each value of a mask but 0, such as ``{255: 1}``; None for values
            that are classes.

    Returns:
        ``sheet_id, class_id, rle, area_px``, one row per sheet and class, and a finding for each
        mask that is missing, unreadable, of another size than its sheet, of unknown values, a link
        out of the folder, or without a sheet.
    """
    class_of = dict(mask_values) if mask_values else {k: k for k in range(1, classes + 1)}

    def read(sheet_id: str) -> list[Row] | Finding:
        try:
            mask = _read_mask(folder, sheet_id, sizes[sheet_id])
            return list(_encode_classes(sheet_id, mask, class_of))
        except SteelDefectsError as error:
            return Finding(f"mask of {sheet_id}", sheet_id, str(error))

    answers = list(map_in_order(read, sorted(sizes)))
    findings = [answer for answer in answers if isinstance(answer, Finding)]
    rows = [row for answer in answers if not isinstance(answer, Finding) for row in answer]
    known = {folder.path_of(sheet_id).relative_to(folder.root).as_posix() for sheet_id in sizes}
    findings += [
        Finding(f"mask {name}", name, "mask of a picture that is missing or unreadable")
        for name in sorted(map(shown_name, folder.names() - known))
    ]
    return ANNOTATIONS.typed(rows), findings


def _read_mask(folder: MaskFolder, sheet_id: str, size: tuple[int, int]) -> NDArray[np.integer]:
    path = folder.path_of(sheet_id)
    if leads_out(path, folder.real_root):
        raise SteelDefectsError("symbolic link that leads out of the folder")
    if not path.is_file():
        raise SteelDefectsError(
            "picture without a mask file; a clean sheet needs one that is all background"
        )
    try:
        return _decode_mask(path.read_bytes(), size)
    except SteelDefectsError:
        raise
    except Exception as error:
        # Pillow fails in a dozen ways at bytes that are not what it expects.
        raise SteelDefectsError("mask cannot be decoded as a PNG picture") from error


def _decode_mask(data: bytes, size: tuple[int, int]) -> NDArray[np.integer]:
    # Not OpenCV, which replaces the indices of a palette by its colours; and PNG's own reader:
    # other formats may blur masks, and Image.open has a limit of pixels of its own.
    with PngImageFile(io.BytesIO(data)) as picture:
        if picture.size[::-1] != size:
            sizes = (*picture.size, *size[::-1])
            raise SteelDefectsError("mask of {}×{} for a picture of {}×{}".format(*sizes))
        if picture.mode in ("RGBA", "LA"):
            raise SteelDefectsError("mask with transparency; one value per pixel is expected")
        if picture.mode == "RGB" and data[_BIT_DEPTH] == 16:
            # Pillow would keep the upper 8 bits, in which there are no classes.
            raise SteelDefectsError("mask in colour of 16 bits; one value per pixel is expected")
        mask = np.asarray(picture)
    if mask.ndim == 2:
        return mask
    if (mask != mask[..., :1]).any():
        raise SteelDefectsError("mask in colour; one value per class is expected")
    return mask[..., 0]


_BIT_DEPTH = 24  # where a PNG file says how many bits a channel has


def _encode_classes(
    sheet_id: str, mask: NDArray[np.integer], class_of: Mapping[int, int]
) -> Iterator[Row]:
    values = [int(value) for value in np.unique(mask) if value]
    unknown = [value for value in values if value not in class_of]
    if unknown:
        raise SteelDefectsError(
            f"mask has value {unknown[0]}; known are 0 and {', '.join(map(str, class_of))}"
        )
    for class_id in sorted({class_of[value] for value in values}):
        inside = np.isin(mask, [value for value in values if class_of[value] == class_id])
        yield sheet_id, class_id, run_length.encode(inside), int(inside.sum())
