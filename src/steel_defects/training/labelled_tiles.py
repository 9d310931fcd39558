"""What segmenters learn from: windows of sheets with the masks of all classes."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from steel_defects.images.gray_cache import SheetReader
from steel_defects.labels.masks import UNKNOWN, VOID, void_of
from steel_defects.training import windows
from steel_defects.training.augmentation import Augmentation, DefectDonors
from steel_defects.training.config import SegmentationConfig
from steel_defects.training.loader import Channels, Example, Loader
from steel_defects.training.windows import Gray, Runs, Size, Window

_STEEL_SHARE = 0.9  # probability that a window without a chosen defect keeps off the black border
_MOST_BLACK = 0.25  # share of such a window that may be black
#: A sheet by its place among the sheets, and the class whose defect to show; 0 for no matter which.
Draw = tuple[int, int]
Sampler = Callable[[np.random.Generator], list[Draw]]


@dataclass(frozen=True)
class LabelledTiles:
    """Windows of sheets with the encoded masks of each (sheet, class) that is defective.

    The class of void pixels is 0.

    ``tiles`` holds ``sheet_id, path, sha256, sheet_height, sheet_width, x, y, width, height,
    area_px``.
    """

    folder: SheetReader
    tiles: DataFrame
    masks: dict[tuple[str, int], str]
    classes: int

    def subset(self, sheet_ids: Collection[str]) -> "LabelledTiles":
        """Return the tiles of some of the sheets, in the table's order."""
        rows = self.tiles[self.tiles["sheet_id"].isin(set(sheet_ids))]
        return replace(self, tiles=rows.reset_index(drop=True))

    @property
    def has_void(self) -> bool:
        """Whether a mask may hold 2 where nobody can tell what a pixel shows."""
        return any(class_id == VOID for _, class_id in self.masks)

    @property
    def content(self) -> list[object]:
        """What identifies windows and masks, in order: a checkpoint belongs to these alone."""
        places = self.tiles[["sheet_id", "sha256", "x", "y", "width", "height"]]
        shown = set(self.tiles["sheet_id"])
        masks = [(*key, rle) for key, rle in sorted(self.masks.items()) if key[0] in shown]
        return [places.to_numpy().tolist(), masks]

    @property
    def size(self) -> Size:
        """Height and width of the largest tile, pixels; smaller ones are filled up with black."""
        return int(self.tiles["height"].max()), int(self.tiles["width"].max())

    @cached_property
    def sheets(self) -> list[Any]:
        """One row per sheet, in the order of their tiles; places and areas are its first tile's."""
        return list(self.tiles.drop_duplicates("sheet_id").itertuples())

    @cached_property
    def runs(self) -> dict[str, dict[int, Runs]]:
        """The masks of each sheet, by class; text is read once, and not for each window.

        Those of void pixels are among them.
        """
        runs: dict[str, dict[int, Runs]] = {row.sheet_id: {} for row in self.sheets}
        sizes = {row.sheet_id: (row.sheet_height, row.sheet_width) for row in self.sheets}
        for (sheet_id, class_id), rle in self.masks.items():
            if sheet_id in runs and rle.strip():
                runs[sheet_id][class_id] = Runs.parse(rle, *sizes[sheet_id])
        return runs

    @property
    def kinds(self) -> dict[str, str]:
        """The classes that each sheet shows, as one text: what parts of the sheets share evenly."""
        return {sheet: "+".join(map(str, sorted(runs))) for sheet, runs in self.runs.items()}

    @cached_property
    def defects(self) -> dict[str, dict[int, Runs]]:
        """The same without void pixels."""
        return {
            sheet_id: {class_id: runs for class_id, runs in of_sheet.items() if class_id != VOID}
            for sheet_id, of_sheet in self.runs.items()
        }


def labelled_tiles(
    folder: SheetReader, tiles: DataFrame, sheets: DataFrame, annotations: DataFrame, classes: int
) -> LabelledTiles:
    """Join the tables of data engineering."""
    names = {"height": "sheet_height", "width": "sheet_width"}
    sizes = sheets[["sheet_id", "path", "sha256", *names]].rename(columns=names)
    masks = annotations.set_index(["sheet_id", "class_id"])["rle"].to_dict()
    masks |= {(sheet_id, VOID): rle for sheet_id, rle in void_of(sheets).items()}
    joined = tiles.merge(sizes, on="sheet_id", how="left").reset_index(drop=True)
    return LabelledTiles(folder, joined, masks, classes)


def training_loader(data: LabelledTiles, config: SegmentationConfig) -> Loader[Any]:
    """Return the batches that a segmenter learns from: tiles, or windows at random places."""
    per_sheet = config.windows_per_sheet
    reader = TileReader(data, tile_augmentation(config), config.copy_paste_share, per_sheet)
    options = (config.batch_size, config.seed, config.loader_threads)
    if not per_sheet:
        return Loader(reader.tile, tile_sampler(data.tiles, config), *options)
    sampler = crop_sampler(data, config)
    return Loader(reader.windows, sampler, *options, per_sheet, config.steps_per_epoch)


def tile_augmentation(config: SegmentationConfig) -> Augmentation:
    """Return what may happen to a tile: what may to a sheet, and zoom and rotation.

    These can push a defect out of the picture, which masks tell and labels of sheets do not.
    """
    names = {field.name for field in fields(Augmentation)} - {"flips"}  # which always happen
    return Augmentation(**{name: getattr(config, name) for name in names})


# === What an epoch reads ===


def tile_sampler(
    tiles: DataFrame, config: SegmentationConfig
) -> Callable[[np.random.Generator], list[int]]:
    """Return a function that draws an epoch's tiles: shares with and without defects.

    Those with defects show the classes evenly.
    """
    areas = np.stack(tiles["area_px"].to_list())
    by_class = {k + 1: np.flatnonzero(column) for k, column in enumerate(areas.T) if column.any()}
    clean = np.flatnonzero(~areas.any(axis=1))
    count = config.steps_per_epoch * config.batch_size
    shares = config.defect_tile_share, config.clean_tile_share if clean.size else 0.0
    draw = _sampler(by_class, len(tiles), count, shares, clean)
    return lambda rng: [place for place, _ in draw(rng)]


def crop_sampler(data: LabelledTiles, config: SegmentationConfig) -> Sampler:
    """Return a function that draws an epoch's sheets, and the class that their windows show.

    With the probability ``defect_tile_share`` that is a class, each that occurs as likely as any
    other however rare it is, on one of its sheets; else it is any sheet, and no class.
    """
    by_class = windows.places_by_class([data.defects[row.sheet_id] for row in data.sheets])
    count = -(-config.steps_per_epoch * config.batch_size // config.windows_per_sheet)
    return _sampler(by_class, len(data.sheets), count, (config.defect_tile_share, 0.0))


def _sampler(
    by_class: Mapping[int, Sequence[int] | NDArray[np.int64]],
    places: int,
    count: int,
    shares: tuple[float, float],
    clean: Sequence[int] | NDArray[np.int64] = (),
) -> Sampler:
    """Draw a defect and a clean place with these shares, and any place with what is left."""
    classes = list(by_class)

    def draw(rng: np.random.Generator) -> list[Draw]:
        draws = []
        for chance in rng.random(count):
            defective, clean_one = chance < shares[0], chance >= 1 - shares[1]
            class_id = classes[int(rng.integers(len(classes)))] if defective and classes else 0
            candidates = clean if clean_one else by_class.get(class_id, range(places))
            draws.append((int(candidates[int(rng.integers(len(candidates)))]), class_id))
        return draws

    return draw


# === Reading it ===


class TileReader:
    """Reads tiles and windows with their masks, and augments them.

    An example holds ``sheet``, gray of shape ``(height, width, 1)``, and ``mask``, 0 or 1, and 2
    where nobody can tell, of shape ``(height, width, classes)``, both uint8, and ``presence``, 1
    for each class that it shows, of shape ``(classes,)``, float32.
    """

    def __init__(
        self,
        data: LabelledTiles,
        augmentation: Augmentation | None = None,
        copy_paste_share: float = 0.0,
        windows_per_sheet: int = 1,
    ) -> None:
        self._data, self._rows = data, list(data.tiles.itertuples())
        self._augmentation, self._copy_paste_share = augmentation, copy_paste_share
        self._donors = DefectDonors(data.folder, data.sheets, data.defects, data.size)
        self._windows_per_sheet, self._size = windows_per_sheet, data.size

    def tile(self, index: int, rng: np.random.Generator) -> Example:
        """Read one tile."""
        row = self._rows[index]
        window = Window(row.x, row.y, row.width, row.height)
        return self._example(self._data.folder.read(row.path), row.sheet_id, window, rng)

    def windows(self, draw: Draw, rng: np.random.Generator) -> list[Example]:
        """Read windows of one sheet.

        A window of a class shows one of its pixels, each as likely; any other lies anywhere, on
        steel nine times out of ten.
        """
        row, class_id = self._data.sheets[draw[0]], draw[1]
        image = self._data.folder.read(row.path)
        size = min(self._size[0], row.sheet_height), min(self._size[1], row.sheet_width)

        def place() -> Window:
            if class_id:
                runs = self._data.runs[row.sheet_id][class_id]
                return windows.place_on_defect(runs, image.shape, size, rng)
            if rng.random() < _STEEL_SHARE:
                return windows.place_on_steel(image, size, _MOST_BLACK, rng)
            return windows.place_anywhere(image.shape, size, rng)

        count = range(self._windows_per_sheet)
        return [self._example(image, row.sheet_id, place(), rng) for _ in count]

    def _example(
        self, image: Gray, sheet_id: str, window: Window, rng: np.random.Generator
    ) -> Example:
        picture = windows.cut(image, window)
        masks = windows.paint_classes(self._data.runs[sheet_id], window)
        if picture.shape != self._size:
            missing = (0, self._size[0] - window.height), (0, self._size[1] - window.width)
            picture = np.pad(picture, missing)
            masks = {channel: np.pad(mask, missing) for channel, mask in masks.items()}
        if self._copy_paste_share and rng.random() < self._copy_paste_share:
            picture, masks = self._donors.paste_into(picture, masks, rng)
        if self._augmentation:
            picture, changed = self._augmentation.apply(picture, list(masks.values()), rng)
            masks = dict(zip(masks, changed, strict=True))
        void = masks.pop(VOID - 1, None)
        presence = np.zeros(self._data.classes, np.float32)
        for channel, mask in masks.items():
            presence[channel] = mask.any()
        if void is not None:
            masks = _with_void(masks, void, self._data.classes)
        channels = Channels((*self._size, self._data.classes), masks)
        return {"sheet": picture[..., None], "mask": channels, "presence": presence}


def _with_void(masks: Mapping[int, Gray], void: Gray, classes: int) -> dict[int, Gray]:
    """Mark void pixels in the masks of all classes; a defect that lies there is known."""
    nothing = np.zeros_like(void)
    painted = {channel: masks.get(channel, nothing) for channel in range(classes)}
    return {
        channel: np.where((void > 0) & (mask == 0), np.uint8(UNKNOWN), mask)
        for channel, mask in painted.items()
    }
