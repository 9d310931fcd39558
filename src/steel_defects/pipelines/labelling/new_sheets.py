"""Inspected sheets that wait for review, as candidates for the people who label."""

import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.data.inventory import fingerprint, thumbnail_of
from steel_defects.data.labelling import Candidate, reviewed_sheets
from steel_defects.data.similar import DIFFERENT, LOOK_ALIKE_SIMILARITY, find_similar
from steel_defects.errors import SteelDefectsError
from steel_defects.images.folder import SheetFolder
from steel_defects.images.reading import PICTURE_ENDINGS, UnreadableSheet, decode_gray
from steel_defects.inspection.sources import SheetSource
from steel_defects.labels import rle as run_length

logger = logging.getLogger(__name__)

_COMPARED = ["sheet_id", "path", "sha256", "thumbnail", "fingerprint"]
#: What tells a new sheet from a labelled one of the same name.
_NEW = "new "


@dataclass(frozen=True)
class Inspected:
    """What the last inspection left.

    Attributes:
        verdicts: ``verdicts``; no rows without an inspection.
        masks: ``submission``; no rows without one.
        pictures: The pictures that were inspected; None where there are none.
    """

    verdicts: pd.DataFrame
    masks: pd.DataFrame
    pictures: SheetSource | None

    def read(self, sheet_id: str) -> bytes:
        """Return the bytes of a picture that people can look at, or raise an UnreadableSheet."""
        if self.pictures is None:
            raise UnreadableSheet("there is no folder of inspected sheets")
        if os.path.splitext(sheet_id)[1].lower() not in PICTURE_ENDINGS:
            raise UnreadableSheet("a later picture has its file's name")
        data = self.pictures.read_file(sheet_id)
        decode_gray(data)
        return data

    def outlines(self, sheet_id: str) -> dict[int, str]:
        """Return the encoded mask of each class that was seen."""
        if not len(self.masks):
            return {}
        names = self.masks["ImageId_ClassId"].str.rpartition("_")
        mine = (names[0] == sheet_id) & (self.masks["EncodedPixels"] != "")
        pairs = zip(names.loc[mine, 2], self.masks.loc[mine, "EncodedPixels"], strict=True)
        return {int(class_id): rle for class_id, rle in pairs}


@dataclass(frozen=True)
class NewSheets:
    """Inspected sheets that wait for review and may go out, the most doubtful first.

    Attributes:
        candidates: With the reason of each.
        table: ``sheet_id, path, sha256`` of each.
    """

    candidates: list[Candidate]
    table: pd.DataFrame


def new_sheets(
    inspected: Inspected,
    most: int,
    sheet_inventory: pd.DataFrame,
    kept_back: Sequence[str],
    folder: SheetFolder,
) -> NewSheets:
    """Find the reviewed sheets that may go out.

    Left out are those that can't be read or that their outlines don't fit, files that are among
    the data already, and look-alikes of sheets that are kept back.

    Args:
        inspected: What the last inspection left.
        most: How many are looked at.
        sheet_inventory: All pictures of the data.
        kept_back: Sheets of the data that people must not see.
        folder: Where their pictures are.

    Raises:
        SteelDefectsError: None of them can be read.
    """
    reviews = reviewed_sheets(inspected.verdicts)[:most] if len(inspected.verdicts) else []
    rows = list(_readable(reviews, inspected))
    table = pd.DataFrame(rows, columns=_COMPARED)
    table = table[~table["sha256"].isin(sheet_inventory["sha256"])]
    alike = _look_alikes(table, sheet_inventory, kept_back, folder, inspected)
    table = table[~table["sheet_id"].isin(alike)]
    there = set(table["sheet_id"])
    return NewSheets([one for one in reviews if one.sheet_id in there], table)


def _readable(reviews: Sequence[Candidate], inspected: Inspected) -> Iterator[tuple[object, ...]]:
    faults, later, read = list[str](), list[str](), 0
    times = _times(inspected.verdicts)
    for one in reviews:
        try:
            data = inspected.read(one.sheet_id)
            image = decode_gray(data)
            for rle in inspected.outlines(one.sheet_id).values():
                run_length.parse(rle, image.size)
        except (UnreadableSheet, run_length.RleError) as error:
            faults.append(f"{one.sheet_id}: {error}")
            continue
        read += 1
        assert inspected.pictures is not None  # noqa: S101 (it was read from)
        if _written(inspected.pictures, one.sheet_id) > times.get(one.sheet_id, np.inf):
            later.append(one.sheet_id)
        path = inspected.pictures.relative_path(one.sheet_id)
        digest = hashlib.sha256(data).hexdigest()
        prints = thumbnail_of(image).tobytes(), fingerprint(image).tobytes()
        yield (one.sheet_id, path, digest, *prints)
    _tell(faults, later, read)


def _tell(faults: Sequence[str], later: Sequence[str], read: int) -> None:
    if faults and not read:
        raise SteelDefectsError(
            f"no inspected sheet that waits for review can be read ({faults[0]}); give the folder "
            "that was inspected with --params sheets_dir=PATH"
        )
    if faults:
        logger.warning(
            "%d inspected sheets can't be used, and are left out: %s", len(faults), faults[0]
        )
    if later:
        logger.warning(
            "%d pictures were written after they were inspected, such as %s: if they are others, "
            "inspect them again before people label them",
            len(later), later[0],
        )  # fmt: skip


def _times(verdicts: pd.DataFrame) -> dict[str, float]:
    if "inspected_at" not in verdicts:
        return {}
    pairs = zip(verdicts["sheet_id"], verdicts["inspected_at"], strict=True)
    return {sheet_id: moment.timestamp() for sheet_id, moment in pairs if not pd.isna(moment)}


def _written(pictures: SheetSource, sheet_id: str) -> float:
    return pictures.path_of(sheet_id).stat().st_mtime


def _look_alikes(
    table: pd.DataFrame,
    sheet_inventory: pd.DataFrame,
    kept_back: Sequence[str],
    folder: SheetFolder,
    inspected: Inspected,
) -> set[str]:
    """Name the new sheets that are copies or look-alikes of sheets that are kept back."""
    back = sheet_inventory[sheet_inventory["sheet_id"].isin(set(kept_back))][_COMPARED]
    if table.empty or back.empty:
        return set()
    paths = _NEW + table["sheet_id"]
    new = table.assign(sheet_id=paths, path=paths)

    def read(path: str) -> NDArray[np.uint8]:
        if path.startswith(_NEW):
            return decode_gray(inspected.read(path.removeprefix(_NEW)))
        return folder.read(path)

    both = pd.concat([back, new], ignore_index=True)
    similar = find_similar(both, read, LOOK_ALIKE_SIMILARITY)
    similar = similar[similar["relation"] != DIFFERENT]
    ids = set(back["sheet_id"])
    pairs = similar[["sheet_id", "other_id"]].itertuples(index=False, name=None)
    named = {pair for pair in pairs if len(ids & set(pair)) == 1}
    return {one.removeprefix(_NEW) for pair in named for one in pair if one not in ids}
