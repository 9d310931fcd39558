"""Decoded gray sheets in one memory-mapped file, for trainings that read each sheet many times.

The file begins with a line of JSON that names every sheet by the digest of its picture file and its
size; the pixels follow in that order, one byte each.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.errors import SteelDefectsError
from steel_defects.files import force, mapped_bytes, replaced
from steel_defects.images.folder import SheetFolder
from steel_defects.images.reading import UnreadableSheet
from steel_defects.progress import track
from steel_defects.threads import map_in_order

Gray = NDArray[np.uint8]

_FILE = "gray_sheets.bin"
_FORMAT = "steel_defects gray sheets 1"
_AT_ONCE = 64  # sheets decoded before they are written; bounds the memory
_LONGEST_HEADER = 2**28


class SheetReader(Protocol):
    """Where sheets are read from: their picture files or a cache."""

    def read(self, relative_path: str) -> Gray:
        """Return a gray picture of shape ``(height, width)``, uint8, by the column ``path``."""


class SheetKey(NamedTuple):
    """What identifies the pixels of a sheet."""

    sha256: str
    height: int
    width: int


@dataclass(frozen=True)
class CachedSheets:
    """Sheets whose pixels lie in a cache; ``keys`` are by their paths below the data folder."""

    keys: Mapping[str, SheetKey]
    pixels: Mapping[SheetKey, Gray]

    def read(self, relative_path: str) -> Gray:
        """Return a sheet as a read-only view of shape ``(height, width)``, uint8.

        Raises:
            SteelDefectsError: The cache was opened without this sheet.
        """
        if relative_path not in self.keys:
            raise SteelDefectsError(f"{relative_path} is not in the cache of gray sheets")
        return self.pixels[self.keys[relative_path]]


def open_gray_cache(folder: SheetFolder, sheets: pd.DataFrame, cache_dir: Path) -> CachedSheets:
    """Open the cache of some sheets, with ``sheet_id, path, sha256, height, width``.

    Whatever it lacks is decoded and written first: ``height × width`` bytes per sheet.

    Raises:
        SteelDefectsError: A picture can't be read or is not the one that the table describes, or
            the folder can't be written to or has too little room.
    """
    columns = [sheets[n] for n in ("path", "sha256", "height", "width")]
    keys = {path: SheetKey(d, int(h), int(w)) for path, d, h, w in zip(*columns, strict=True)}
    pixels = _open(cache_dir / _FILE)
    if not all(key in pixels for key in keys.values()):
        paths = dict(zip(keys.values(), keys, strict=True))
        try:
            _write(folder, paths, cache_dir, pixels)
        except OSError as error:
            text = f"{cache_dir}: gray sheets can't be cached: {error.strerror or error}"
            raise SteelDefectsError(text) from error
        pixels = _open(cache_dir / _FILE)
    return CachedSheets(keys, pixels)


def _open(file: Path) -> dict[SheetKey, Gray]:
    """Map a cache into memory; one that is missing or not whole counts as empty."""
    try:
        with file.open("rb") as opened:
            header = json.loads(opened.readline(_LONGEST_HEADER))
            first = opened.tell()
        keys = [SheetKey(*key) for key in header["sheets"]]
        ends = np.cumsum([key.height * key.width for key in keys], dtype=np.int64)
        if header["format"] != _FORMAT or file.stat().st_size != first + ends[-1]:
            return {}
    except (OSError, ValueError, LookupError, TypeError):
        return {}
    parts = np.split(mapped_bytes(file, first), ends[:-1])
    return {key: part.reshape(key[1:]) for key, part in zip(keys, parts, strict=True)}


def _write(
    folder: SheetFolder,
    paths: Mapping[SheetKey, str],
    cache_dir: Path,
    known: Mapping[SheetKey, Gray],
) -> None:
    """Write all sheets to a new file; those that the old one holds are copied from there."""

    def fetch(key: SheetKey) -> Gray:
        return known[key] if key in known else _decode(folder, paths[key], key)

    with replaced(cache_dir / _FILE) as temporary, temporary.open("xb") as file:
        needed, free = sum(k.height * k.width for k in paths), shutil.disk_usage(cache_dir).free
        if needed > free:
            raise SteelDefectsError(
                f"{cache_dir}: the cache of gray sheets takes {needed / 1e9:.1f} GB, and only "
                f"{free / 1e9:.1f} GB are free; make room, or train with cache: false"
            )
        file.write(json.dumps({"format": _FORMAT, "sheets": list(paths)}).encode() + b"\n")
        for image in track(map_in_order(fetch, paths), len(paths), "caching gray sheets"):
            file.write(np.ascontiguousarray(image).data)
        file.flush()
        force(temporary)


def _decode(folder: SheetFolder, path: str, key: SheetKey) -> Gray:
    try:
        data = folder.read_path(path)
        image = folder.decode(data)
    except UnreadableSheet as error:
        raise SteelDefectsError(f"{path}: {error}") from error
    if hashlib.sha256(data).hexdigest() != key.sha256 or image.shape != key[1:]:
        raise SteelDefectsError(
            f"{path} has changed since the table sheets was made; run data_engineering again"
        )
    return image
