"""Inspected sheets as candidates for the people who label."""

import hashlib
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.data.inventory import fingerprint, thumbnail_of
from steel_defects.data.labelling import (
    Candidate,
    LabellingConfig,
    reviewed_sheets,
    uncertain_sheets,
    unreviewed_sheets,
)
from steel_defects.data.similar import DIFFERENT, LOOK_ALIKE_SIMILARITY, find_similar
from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.informative import appearance_of, informative_order
from steel_defects.images.folder import SheetFolder
from steel_defects.images.reading import PICTURE_ENDINGS, UnreadableSheet, decode_gray
from steel_defects.inspection.sources import SheetSource
from steel_defects.labels import rle as run_length

logger = logging.getLogger(__name__)

_COMPARED = ["sheet_id", "path", "sha256", "height", "width", "thumbnail", "fingerprint"]
#: So many times the sheets of a job are looked at to find informative ones.
_LOOKED_AT = 5
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
        """Return the bytes of a picture's file, or raise an UnreadableSheet."""
        if self.pictures is None:
            raise UnreadableSheet("there is no folder of inspected sheets")
        if os.path.splitext(sheet_id)[1].lower() not in PICTURE_ENDINGS:
            raise UnreadableSheet("a later picture has its file's name")
        return self.pictures.read_file(sheet_id)

    @cached_property
    def outlines(self) -> Mapping[str, Mapping[int, str]]:
        """The encoded mask of each class that was seen, by sheet."""
        outlines: dict[str, dict[int, str]] = {}
        if len(self.masks):
            seen = self.masks[self.masks["EncodedPixels"] != ""]
            for name, rle in zip(seen["ImageId_ClassId"], seen["EncodedPixels"], strict=True):
                sheet_id, _, class_id = name.rpartition("_")
                outlines.setdefault(sheet_id, {})[int(class_id)] = rle
        return outlines


@dataclass(frozen=True)
class NewSheets:
    """Inspected sheets that may go out.

    Attributes:
        lists: Those that wait for review, the most doubtful first, and others; each with a reason.
        table: ``sheet_id, path, sha256, height, width`` of each.
    """

    lists: list[list[Candidate]]
    table: pd.DataFrame


@dataclass(frozen=True)
class Data:
    """What is labelled already.

    Attributes:
        inventory: ``sheet_inventory``: all pictures.
        similar: ``similar_sheets``: how they compare.
        kept_back: Sheets that people must not see.
        folder: The pictures.
    """

    inventory: pd.DataFrame
    similar: pd.DataFrame
    kept_back: Iterable[str]
    folder: SheetFolder


def new_sheets(inspected: Inspected, config: LabellingConfig, data: Data, seed: int) -> NewSheets:
    """Find inspected sheets that may go out.

    Left out are those that can't be read or that their outlines don't fit, files that are among
    the data already, and look-alikes of sheets that are kept back.

    Raises:
        SteelDefectsError: None of them can be read.
    """
    if not len(inspected.verdicts):
        return NewSheets([], pd.DataFrame(columns=_COMPARED))
    reviews = reviewed_sheets(inspected.verdicts)[: config.sheets]
    if config.unreviewed == "random":
        others = unreviewed_sheets(inspected.verdicts, config.sheets, seed)
        wanted = [one.sheet_id for one in (*reviews, *others)]
    else:
        uncertain = uncertain_sheets(inspected.verdicts, _LOOKED_AT * config.sheets)
        wanted = [*(one.sheet_id for one in reviews), *uncertain["sheet_id"]]
    table = pd.DataFrame(list(_readable(wanted, inspected)), columns=_COMPARED)
    table = table[~table["sha256"].isin(data.inventory["sha256"])]
    table = table[~table["sheet_id"].isin(_look_alikes(table, data, inspected))]
    if config.unreviewed == "informative":
        others = _informative(table, uncertain, data.inventory, config.sheets)
    there = set(table["sheet_id"])
    lists = [[one for one in part if one.sheet_id in there] for part in (reviews, others)]
    return NewSheets(lists, table)


def _informative(
    table: pd.DataFrame, uncertain: pd.DataFrame, inventory: pd.DataFrame, count: int
) -> list[Candidate]:
    """Order sheets near a threshold: those unlike what is labelled and each other come first."""
    new = table.merge(uncertain, on="sheet_id")
    known = inventory[inventory["problem"] == ""]
    appearance = appearance_of(pd.concat([new[["thumbnail"]], known[["thumbnail"]]]))
    scores = np.concatenate([0.5 + new["margin"] / 2, np.zeros(len(known))])[:, None]
    labelled = np.arange(len(scores)) >= len(new)
    order = informative_order(scores, appearance, labelled, count)
    reason = "informative: near a threshold, and unlike what is labelled"
    return [Candidate(sheet_id, reason) for sheet_id in new["sheet_id"].iloc[order]]


def _readable(wanted: Sequence[str], inspected: Inspected) -> Iterator[tuple[object, ...]]:
    faults, later, read = list[str](), list[str](), 0
    times = _times(inspected.verdicts)
    for sheet_id in wanted:
        try:
            data = inspected.read(sheet_id)
            image = decode_gray(data)
            for rle in inspected.outlines.get(sheet_id, {}).values():
                run_length.parse(rle, image.size)
        except (UnreadableSheet, run_length.RleError) as error:
            faults.append(f"{sheet_id}: {error}")
            continue
        read += 1
        assert inspected.pictures is not None  # noqa: S101 (it was read from)
        if _written(inspected.pictures, sheet_id) > times.get(sheet_id, np.inf):
            later.append(sheet_id)
        path = inspected.pictures.relative_path(sheet_id)
        digest = hashlib.sha256(data).hexdigest()
        prints = thumbnail_of(image).tobytes(), fingerprint(image).tobytes()
        yield (sheet_id, path, digest, *image.shape, *prints)
    _tell(faults, later, read)


def _tell(faults: Sequence[str], later: Sequence[str], read: int) -> None:
    if faults and not read:
        raise SteelDefectsError(
            f"no inspected sheet can be read ({faults[0]}); give the folder that was inspected "
            "with --params sheets_dir=PATH"
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


def _look_alikes(table: pd.DataFrame, data: Data, inspected: Inspected) -> set[str]:
    """Name the new sheets that are copies or look-alikes of sheets that are kept back."""
    back = data.inventory[data.inventory["sheet_id"].isin(set(data.kept_back))][_COMPARED]
    if table.empty or back.empty:
        return set()
    paths = _NEW + table["sheet_id"]
    new = table.assign(sheet_id=paths, path=paths)

    def read(path: str) -> NDArray[np.uint8]:
        if path.startswith(_NEW):
            return decode_gray(inspected.read(path.removeprefix(_NEW)))
        return data.folder.read(path)

    both = pd.concat([back, new], ignore_index=True)
    similar = find_similar(both, read, LOOK_ALIKE_SIMILARITY, earlier=data.similar)
    similar = similar[similar["relation"] != DIFFERENT]
    ids = set(back["sheet_id"])
    pairs = similar[["sheet_id", "other_id"]].itertuples(index=False, name=None)
    named = {pair for pair in pairs if len(ids & set(pair)) == 1}
    return {one.removeprefix(_NEW) for pair in named for one in pair if one not in ids}
