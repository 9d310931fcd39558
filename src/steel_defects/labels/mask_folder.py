"""Masks as pictures: one file per sheet, 0 for background and k for class k.

Masks are PNG, TIFF or BMP files; a JPEG blurs classes into others, and is refused.
"""

import io
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL.BmpImagePlugin import BmpImageFile
from PIL.Image import Image
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from steel_defects.errors import SteelDefectsError
from steel_defects.images.folder import walk
from steel_defects.labels import rle as run_length
from steel_defects.labels.masks import UNKNOWN_CLASS, Finding, Masks
from steel_defects.labels.names import may_mean, misnamed_of, near_names
from steel_defects.paths import leads_out, shown_name
from steel_defects.tables.declared import ANNOTATIONS
from steel_defects.threads import map_in_order

Row = tuple[str, int, str, int]
Sizes = Mapping[str, tuple[int, int]]

_ENDINGS = (".png", ".tif", ".tiff", ".bmp")


@dataclass(frozen=True)
class MaskFolder:
    """A folder of masks, named as their sheets are, but for the ending.

    It may be a symbolic link. Inside, links to files are followed if they stay in it, and all of
    them with ``follow_links``. Names of masks may have a ``suffix``, such as ``_GT``.
    """

    root: Path
    follow_links: bool = False
    suffix: str = ""

    def path_of(self, sheet_id: str) -> Path:
        """Return the mask file of a sheet; where there is none, the one that would be it."""
        stem = _stem(sheet_id)
        return self.root / self.files.get(stem, f"{stem}{self.suffix}.png")

    @cached_property
    def files(self) -> dict[str, str]:
        """Path below the folder, POSIX, of each mask, by its path without the ending."""
        return {stem: names[-1] for stem, names in self.names.items()}

    @cached_property
    def names(self) -> dict[str, list[str]]:
        """As :attr:`files`, but all masks that differ in nothing but the ending."""
        names: dict[str, list[str]] = {}
        for name in sorted(walk(str(self.root), follow_links=self.follow_links)):
            if name.lower().endswith(_ENDINGS):
                names.setdefault(_stem(name).removesuffix(self.suffix), []).append(name)
        return names

    @cached_property
    def real_root(self) -> str:
        """The folder with all links followed."""
        return os.path.realpath(self.root)


def with_suffix(folder: MaskFolder, sheet_ids: Iterable[str]) -> MaskFolder:
    """Return the folder with the suffix of its masks, if no mask is named as a picture without."""
    pictures = set(map(_stem, sheet_ids))
    if not folder.files or pictures & folder.files.keys():
        return folder
    parts = [_SUFFIX.fullmatch(stem) for stem in folder.files]
    found = [(part[1], part[2]) for part in parts if part and part[1] in pictures]
    # Several masks for one picture may be one for each class.
    several = len({stem for stem, _ in found}) < len(found)
    suffixes = Counter(suffix for _, suffix in found)
    if several or not suffixes:
        return folder
    return replace(folder, suffix=suffixes.most_common(1)[0][0])


_SUFFIX = re.compile(r"(.+)([_.\- ][^_.\- /]+)")


def _stem(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix()


@dataclass(frozen=True)
class MaskRules:
    """What the values of masks mean.

    Attributes:
        classes: Number of defect classes.
        values: Class of each value but 0, such as ``{255: 1}``; None for values that are classes.
        threshold: Least value of a defect in soft masks; None takes values as they are.
        missing_is_clean: Whether a picture without a mask file is clean.
    """

    classes: int
    values: Mapping[int, int] | None = None
    threshold: int | None = None
    missing_is_clean: bool = False

    @property
    def class_of(self) -> dict[int, int]:
        """Class of each value but 0."""
        if self.threshold is not None:
            return {1: min(self.values.values()) if self.values else 1}
        return dict(self.values) if self.values else {k: k for k in range(1, self.classes + 1)}


def read_annotations(folder: MaskFolder, sizes: Sizes, rules: MaskRules) -> Masks:
    """Encode the masks of sheets; find fault with those that can't be trusted.

    Args:
        folder: The masks; one that is all background marks a clean sheet.
        sizes: Height and width, pixels, of every readable sheet.
        rules: What the values mean.

    Returns:
        The masks, and a finding for each that is missing, unreadable, of another size than its
        sheet, of unknown values, a link out of the folder, or that of two pictures. Masks without
        a picture are counted in one finding.
    """
    folder, twins = with_suffix(folder, sizes), _twins(sizes)

    def read(sheet_id: str) -> list[Row] | Finding:
        try:
            if other := twins.get(sheet_id):
                raise SteelDefectsError(f"one mask for this picture and {other}; rename one")
            if len(several := folder.names.get(_stem(sheet_id), [])) > 1:
                masks = " and ".join(map(shown_name, several))
                raise SteelDefectsError(f"several masks for this picture: {masks}; keep one")
            return list(_read_rows(folder, sheet_id, sizes[sheet_id], rules))
        except SteelDefectsError as error:
            return Finding(f"mask of {sheet_id}", sheet_id, str(error))

    sheet_ids = sorted(sizes)
    answers = dict(zip(sheet_ids, map_in_order(read, sheet_ids), strict=True))
    faults = [answer for answer in answers.values() if isinstance(answer, Finding)]
    rows = [row for answer in answers.values() if isinstance(answer, list) for row in answer]
    claims = _claims(rows, [one for one in faults if _stem(one.sheet_id) in folder.files])
    if folder.suffix:
        reason = f"masks are named as their pictures and {shown_name(folder.suffix)}"
        faults.append(Finding("masks", "", reason, set_aside=False))
    strays = sorted(folder.files.keys() - set(map(_stem, sizes)))
    pictures = {_stem(sheet_id): sheet_id for sheet_id in sizes}
    near = near_names(strays, pictures)
    return Masks(
        table=ANNOTATIONS.typed(rows),
        findings=faults + list(_stray_findings(folder, strays, near, pictures)),
        claims=claims,
        labels=len(folder.files),
        matched=len(folder.files) - len(strays),
        misnamed=misnamed_of([name for name in strays if name in near], near, len(folder.files)),
        sized=True,
    )


def _claims(rows: Sequence[Row], faults: Sequence[Finding]) -> dict[str, frozenset[int]]:
    """Return the classes that masks give each sheet; that of a faulty mask is unknown."""
    claims: dict[str, set[int]] = {}
    for sheet_id, class_id, *_ in rows:
        claims.setdefault(sheet_id, set()).add(class_id)
    claims |= {fault.sheet_id: {UNKNOWN_CLASS} for fault in faults if fault.set_aside}
    return {sheet_id: frozenset(classes) for sheet_id, classes in claims.items()}


def _twins(sheet_ids: Sizes) -> dict[str, str]:
    """Return another picture that has the same mask file, for those that have one."""
    by_stem: dict[str, list[str]] = {}
    for sheet_id in sorted(sheet_ids):
        by_stem.setdefault(_stem(sheet_id), []).append(sheet_id)
    return {
        one: next(other for other in pictures if other != one)
        for pictures in by_stem.values()
        if len(pictures) > 1
        for one in pictures
    }


def _stray_findings(
    folder: MaskFolder,
    strays: list[str],
    near: Mapping[str, tuple[str, list[str]]],
    pictures: Mapping[str, str],
) -> Iterator[Finding]:
    """Tell masks without a picture, and which pictures they may mean."""
    for name in (name for name in strays if name in near):
        change, meant = near[name]
        mask = shown_name(folder.files[name])
        ids = [pictures[stem] for stem in meant]
        yield from may_mean(f"mask {mask}", f"mask {mask}", change, ids)
    missing = [folder.files[name] for name in strays if name not in near]
    if missing:
        name = shown_name(missing[0])
        count = "1 mask has" if len(missing) == 1 else f"{len(missing):,} masks have"
        reason = f"{count} no picture that can be used"
        yield Finding(f"mask {name}", name, reason, set_aside=False)


def _read_rows(
    folder: MaskFolder, sheet_id: str, size: tuple[int, int], rules: MaskRules
) -> Iterator[Row]:
    path = folder.path_of(sheet_id)
    if not folder.follow_links and leads_out(path, folder.real_root):
        raise SteelDefectsError("symbolic link that leads out of the folder")
    if not path.is_file():
        if rules.missing_is_clean:
            return
        raise SteelDefectsError(_without_mask(sheet_id, folder))
    try:
        mask = _decode_mask(path.read_bytes(), size)
    except SteelDefectsError:
        raise
    except Exception as error:
        # Pillow fails in a dozen ways at bytes that are not what it expects.
        raise SteelDefectsError("mask cannot be decoded as a PNG, TIFF or BMP picture") from error
    if rules.threshold is not None:
        mask = (mask >= rules.threshold).astype(np.uint8)
    yield from _encode_classes(sheet_id, mask, rules.class_of)


def mask_values(folder: MaskFolder, stem: str) -> set[int]:
    """Return the values in a mask, by its path without the ending; none if it can't be read."""
    try:
        mask = _decode_mask((folder.root / folder.files[stem]).read_bytes(), None)
    except Exception:
        # Pillow fails in a dozen ways; the reader of annotations says what is wrong with it.
        return set()
    return set(np.unique(mask).tolist())


def _without_mask(sheet_id: str, folder: MaskFolder) -> str:
    stem = _stem(sheet_id)
    near = [name for name in folder.files if name.startswith(stem)]
    near = near or get_close_matches(stem, folder.files, 1, 0.8)
    like = f"; there is {shown_name(folder.files[min(near)])}" if near else ""
    return (
        f"picture without a mask file{like}; a clean sheet needs one that is all background, or "
        "data_engineering.missing_mask: clean"
    )


def _decode_mask(data: bytes, size: tuple[int, int] | None) -> NDArray[np.integer]:
    # Not OpenCV, which replaces the indices of a palette by its colours; and the formats' own
    # readers: others may blur masks, and Image.open has a limit of pixels of its own.
    if data.startswith(b"\xff\xd8"):
        raise SteelDefectsError("mask is a JPEG, which blurs classes into others; save it as PNG")
    reader = next(reader for start, reader in _READERS.items() if data.startswith(start))
    with reader(io.BytesIO(data)) as picture:
        if size and picture.size[::-1] != size:
            sizes = (*picture.size, *size[::-1])
            raise SteelDefectsError("mask of {}×{} for a picture of {}×{}".format(*sizes))
        if picture.info.get("compression") in ("jpeg", "tiff_jpeg"):
            raise SteelDefectsError("mask is a JPEG inside a TIFF, which blurs classes into others")
        if picture.mode == "RGB" and data.startswith(_PNG) and data[_BIT_DEPTH] == 16:
            # Pillow would keep the upper 8 bits, in which there are no classes.
            raise SteelDefectsError("mask in colour of 16 bits; one value per pixel is expected")
        mask = _without_alpha(np.asarray(picture), picture.mode)
    if mask.ndim == 2:
        return mask.astype(np.uint8) if mask.dtype == bool else mask
    if (mask != mask[..., :1]).any():
        raise SteelDefectsError("mask in colour; one value per class is expected")
    return mask[..., 0]


_PNG = b"\x89PNG"
_BIT_DEPTH = 24  # where a PNG file says how many bits a channel has
_READERS: dict[bytes, Callable[[io.BytesIO], Image]] = {
    _PNG: PngImageFile,
    b"BM": BmpImageFile,
    b"II": TiffImageFile,
    b"MM": TiffImageFile,
}


def _without_alpha(mask: NDArray[np.integer], mode: str) -> NDArray[np.integer]:
    """Drop the transparency of a mask that has none."""
    if mode not in ("RGBA", "LA"):
        return mask
    if (mask[..., -1] != 255).any():
        raise SteelDefectsError("mask with transparency; one value per pixel is expected")
    return mask[..., :-1] if mode == "RGBA" else mask[..., 0]


def _encode_classes(
    sheet_id: str, mask: NDArray[np.integer], class_of: Mapping[int, int]
) -> Iterator[Row]:
    values = [int(value) for value in np.unique(mask) if value]
    unknown = [value for value in values if value not in class_of]
    if unknown:
        raise SteelDefectsError(
            f"mask has value {unknown[0]}; known are 0 and {', '.join(map(str, class_of))}: give "
            "its class in data_engineering.mask_values, or mask_threshold for soft masks"
        )
    for class_id in sorted({class_of[value] for value in values}):
        inside = np.isin(mask, [value for value in values if class_of[value] == class_id])
        yield sheet_id, class_id, run_length.encode(inside), int(inside.sum())
