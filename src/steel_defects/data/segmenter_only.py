"""Sheets of a second folder, from which segmenters alone learn.

Their ids begin with ``segmenter_only/``, their split is ``segmenter_only``, and they have no fold.
No gate learns from them, and no score, threshold or reference is measured on them. A sheet that
resembles one of the data folder has the group of that sheet, and is left out wherever a sheet of
the group is held out.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from steel_defects.errors import SteelDefectsError
from steel_defects.images.folder import SheetFolder
from steel_defects.tables.columns import SEGMENTER_ONLY

#: What their ids begin with.
PREFIX = f"{SEGMENTER_ONLY}/"
#: The parameter that names the folder.
SETTING = f"data_engineering.{SEGMENTER_ONLY}"


# === Telling them from the others ===


def parted(
    table: pd.DataFrame, segmenter_only: str | None, column: str = "sheet_id"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part the rows of sheets of the data folder from those of sheets for segmenters alone.

    While data engineering runs, ids tell them, if there is a second folder; later ``splits`` does.
    """
    if segmenter_only is None:
        return table, table.head(0)
    alone = table[column].str.startswith(PREFIX)
    return table[~alone].reset_index(drop=True), table[alone].reset_index(drop=True)


def only_for_segmenters(table: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of sheets for segmenters alone, as ``splits`` knows them."""
    alone = splits.loc[splits["split"] == SEGMENTER_ONLY, "sheet_id"]
    return table[table["sheet_id"].isin(set(alone))].reset_index(drop=True)


def divided(table: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of sheets that are divided into splits: all but those for segmenters alone.

    Both tables hold ``sheet_id``, ``splits`` holds ``split``, too.
    """
    alone = splits.loc[splits["split"] == SEGMENTER_ONLY, "sheet_id"]
    if alone.empty:
        return table
    return table[~table["sheet_id"].isin(set(alone))].reset_index(drop=True)


def apart_from(held_out: Iterable[str], splits: pd.DataFrame) -> list[str]:
    """Name the sheets for segmenters alone that resemble none of some sheets.

    Args:
        held_out: Ids of sheets that a network is stopped by, tuned by or measured on.
        splits: ``sheet_id, group_id, split``.
    """
    alone = splits["split"] == SEGMENTER_ONLY
    groups = splits.loc[splits["sheet_id"].isin(set(held_out)), "group_id"]
    return splits.loc[alone & ~splits["group_id"].isin(groups), "sheet_id"].tolist()


def learners(splits: pd.DataFrame) -> list[str]:
    """Name the sheets for segmenters alone that train the final segmenter."""
    held_out = ~splits["split"].isin(["train", SEGMENTER_ONLY])
    return apart_from(splits.loc[held_out, "sheet_id"], splits)


# === Their pictures ===


@dataclass(frozen=True)
class SecondFolder:
    """The folder of sheets for segmenters alone, beside the data folder.

    Attributes:
        raw: The data folder.
        folder: The second one.
    """

    raw: SheetFolder
    folder: SheetFolder

    def check(self) -> None:
        """Refuse a folder whose pictures, or whose names, would be mixed up with the others.

        Raises:
            SteelDefectsError: One of both lies among the pictures of the other, or sheets of the
                data folder are called like those of the second.
        """
        own, other = (
            os.path.join(os.path.realpath(one.picture_folder), "")
            for one in (self.raw, self.folder)
        )
        if own.startswith(other) or other.startswith(own):
            raise SteelDefectsError(
                f"{SETTING}: the pictures of {self.folder.root} and those of raw_dir, "
                f"{self.raw.root}, lie in each other; move each into a folder train_images of its "
                "own"
            )
        taken = next((one for one in self.raw.sheet_ids if one.startswith(PREFIX)), None)
        if taken:
            raise SteelDefectsError(
                f"{self.raw.picture_folder} holds {taken}, and sheets of {SETTING} are called so; "
                f"rename the folder {SEGMENTER_ONLY} in it"
            )

    @cached_property
    def _way(self) -> str:
        """The way from the data folder, so that both can be moved together."""
        ends = (os.path.realpath(one.root) for one in (self.folder, self.raw))
        return Path(os.path.relpath(*ends)).as_posix() + "/"

    def outward(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return rows of sheets of the second folder as they are known outside it."""
        table = table.assign(sheet_id=PREFIX + table["sheet_id"])
        return table.assign(path=self._way + table["path"]) if "path" in table else table

    def inward(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of sheets of the second folder, as they are known in it."""
        table = table[table["sheet_id"].str.startswith(PREFIX)].reset_index(drop=True)
        table = table.assign(sheet_id=table["sheet_id"].str.removeprefix(PREFIX))
        known = "path" in table
        return table.assign(path=table["path"].str.removeprefix(self._way)) if known else table


def reading_both(folder: SheetFolder, alone: pd.DataFrame) -> SheetFolder:
    """Let the data folder read pictures of the second one, too.

    Args:
        folder: The data folder.
        alone: ``sheet_id, path`` of the sheets for segmenters alone; without a row, nothing
            changes.
    """
    if alone.empty:
        return folder
    sheet_id, path = alone[["sheet_id", "path"]].iloc[0]
    pictures = path.removesuffix(sheet_id.removeprefix(PREFIX)).rstrip("/")
    return replace(folder, beside=pictures)


def need_pictures(folder: SheetFolder, alone: pd.DataFrame) -> None:
    """Make sure, before a training, that the second folder is where it was.

    Args:
        folder: The data folder.
        alone: ``sheet_id, path`` of the sheets for segmenters alone.

    Raises:
        SteelDefectsError: Pictures are missing.
    """
    missing = [path for path in alone["path"] if not (folder.root / path).is_file()]
    if missing:
        raise SteelDefectsError(
            f"{len(missing):,} of {len(alone):,} pictures for segmenters alone are missing, such "
            f"as {os.path.normpath(folder.root / missing[0])}: put the folder back where it was, "
            f"seen from raw_dir, or run data_engineering again with {SETTING}=PATH or without it"
        )
