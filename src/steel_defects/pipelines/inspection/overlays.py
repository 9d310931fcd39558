"""Pictures of inspected sheets: which of them are drawn, and how."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from steel_defects.decision.limits import severity
from steel_defects.decision.reasons import UNREADABLE
from steel_defects.decision.regions import Region
from steel_defects.drawing.captions import Label
from steel_defects.drawing.overlays import READABLE_PX, class_name, draw_overlay, with_banner
from steel_defects.files import replaced
from steel_defects.images.reading import UnreadableSheet, decode_gray, limited_by_memory, to_jpeg
from steel_defects.inspection.cascade import InspectedSheet
from steel_defects.inspection.config import InspectionConfig
from steel_defects.inspection.frames import Frame, accepted_pictures
from steel_defects.inspection.sources import SheetSource
from steel_defects.inspection.store.parts import JoinedTable
from steel_defects.labels import rle as run_length
from steel_defects.package.manifest import Manifest
from steel_defects.paths import jpeg_name

#: Accepted sheets that are drawn besides all others.
ACCEPTED = 8


@dataclass(frozen=True)
class Drawing:
    """A sheet to draw.

    Attributes:
        masks: Encoded mask of each class, ``""`` for none.
        regions: Each with its severity.
    """

    sheet_id: str
    verdict: str
    reason: str
    masks: tuple[str, ...]
    regions: tuple[tuple[Region, str], ...] = ()

    @property
    def name(self) -> str:
        """Name of its picture."""
        return f"{self.verdict}_{jpeg_name(self.sheet_id)}"

    def draw(
        self, image: np.ndarray, manifest: Manifest, drawn_thin: Collection[int] = ()
    ) -> np.ndarray:
        """Lay the masks over the sheet, below a banner with its verdict.

        ``drawn_thin`` are classes that do not count.
        """
        names = manifest.class_names
        dense = {
            number: run_length.decode(mask, *image.shape)
            for number, mask in enumerate(self.masks, start=1)
            if mask
        }
        labels = [
            _label(region, "ignored" if region.class_id in drawn_thin else severe, manifest)
            for region, severe in self.regions
        ]
        return self._with_banner(draw_overlay(image, dense, names, labels, drawn_thin), names)

    def note(self, problem: str, manifest: Manifest) -> np.ndarray:
        """Say in the place of a sheet that is gone why it is not drawn."""
        empty = np.zeros((0, READABLE_PX, 3), np.uint8)
        return self._with_banner(empty, manifest.class_names, f"not drawn: {problem}")

    def _with_banner(
        self, picture: np.ndarray, class_names: tuple[str, ...], *more: str
    ) -> np.ndarray:
        return with_banner(
            picture,
            self.verdict,
            [with_class_names(self.reason, class_names), *more, self.sheet_id],
        )


def _label(region: Region, severe: str, manifest: Manifest) -> Label:
    """Write the class and severity of a region, and its size and score below."""
    size = f"{region.area_px:,} px"
    if manifest.mm_per_px:
        area = region.area_px * manifest.mm_per_px**2
        size = f"{area:,.0f} mm²" if area >= 10 else f"{area:.2g} mm²"
    name = class_name(region.class_id, manifest.class_names)
    box = (region.x, region.y, region.width, region.height)
    return Label(region.class_id, box, (f"{name}, {severe}", f"{size}, score {region.score:.2f}"))


def with_class_names(reason: str, class_names: tuple[str, ...]) -> str:
    """Name the classes that a reason numbers, as labels do."""

    def names(match: re.Match[str]) -> str:
        return ", ".join(class_name(int(number), class_names) for number in match[1].split(", "))

    return re.sub(r"\bclass (\d+(?:, \d+)*)", names, reason)


@dataclass
class Choice:
    """All rejected and reviewed sheets and the first accepted ones, up to a limit.

    Attributes:
        limit: How many are drawn at most.
        drawn: How many are drawn already, by verdict.
    """

    limit: int
    drawn: Counter[str] = field(default_factory=Counter)

    def takes(self, verdict: str, reason: str, wanted: bool = False) -> bool:
        """Say whether a sheet is drawn, and count it if so; an accepted one may be wanted."""
        if reason.startswith(UNREADABLE) or self.full:
            return False
        if verdict == "accept" and not wanted and self.drawn["accept"] >= ACCEPTED:
            return False
        self.drawn[verdict] += 1
        return True

    @property
    def full(self) -> bool:
        """Whether no more sheets are drawn."""
        return self.drawn.total() >= self.limit


class LiveOverlays:
    """Draws sheets while a folder is watched; their files may be gone when it ends."""

    def __init__(self, folder: Path, config: InspectionConfig, manifest: Manifest) -> None:
        """Name the folder; pictures of an earlier run in it count."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._config, self._manifest = folder, config, manifest
        drawn = Counter(path.name.partition("_")[0] for path in folder.glob("[!.]*"))
        self._choice = Choice(config.overlays, drawn)

    def __call__(self, frame: Frame, sheet: InspectedSheet) -> None:
        """Draw a sheet, if it is one to be drawn."""
        verdict, reason = sheet.verdict.verdict, sheet.verdict.reason
        if frame.image is None or not self._choice.takes(verdict, reason):
            return
        counts = Counter(region.class_id for region in sheet.regions)
        regions = tuple(
            (region, severity(region, self._config, counts[region.class_id]))
            for region in sheet.regions
        )
        drawing = Drawing(sheet.sheet_id, verdict, reason, sheet.masks, regions)
        # What does not fit into memory is drawn at the end, when no networks take any.
        with (
            suppress(UnreadableSheet),
            limited_by_memory(),
            replaced(self._folder / drawing.name) as temporary,
        ):
            picture = drawing.draw(frame.image, self._manifest, self._config.ignored_numbers)
            temporary.write_bytes(to_jpeg(picture))


def drawings(
    verdicts: JoinedTable,
    defects: JoinedTable,
    submission: JoinedTable,
    config: InspectionConfig,
    wanted: Collection[str] = (),
) -> Iterator[Drawing]:
    """Choose sheets from the tables of parts, one part's in memory at a time.

    Accepted sheets that are ``wanted`` are drawn besides the first ones.
    """
    choice = Choice(config.overlays)
    measures = [one.name for one in fields(Region)]
    for judged, measured, outlined in zip(verdicts, defects, submission, strict=True):
        if choice.full:
            return
        table = pd.read_parquet(judged, columns=["sheet_id", "verdict", "reason"])
        rows = pd.read_parquet(measured, columns=["sheet_id", *measures, "severity"])
        regions = {sheet_id: of_sheet for sheet_id, of_sheet in rows.groupby("sheet_id")}
        masks = pd.read_csv(outlined, dtype=str, keep_default_na=False)["EncodedPixels"].tolist()
        classes = len(masks) // max(1, len(table))  # rows of a sheet stand together, by class
        for row, (sheet_id, verdict, reason) in enumerate(table.itertuples(index=False, name=None)):
            if choice.takes(verdict, reason, sheet_id in wanted):
                of_sheet = tuple(masks[row * classes : (row + 1) * classes])
                found = regions.get(sheet_id, rows.head(0)).itertuples(index=False, name=None)
                severe = tuple((Region(*values), named) for _, *values, named in found)
                yield Drawing(sheet_id, verdict, reason, of_sheet, severe)


def pictures(
    chosen: Iterator[Drawing],
    source: SheetSource,
    manifest: Manifest,
    live: Path,
    inspection: InspectionConfig,
) -> Mapping[str, Callable[[], np.ndarray | bytes]]:
    """Return a function that makes each picture: from the one drawn before, or from the sheet."""
    drawn_thin = inspection.for_classes(manifest.class_names).ignored_numbers
    bit_depth = accepted_pictures(manifest.learned, inspection).bits

    def draw(drawing: Drawing) -> np.ndarray | bytes:
        if (live / drawing.name).is_file():
            return (live / drawing.name).read_bytes()
        try:
            with limited_by_memory():
                image = decode_gray(source.read_file(drawing.sheet_id), bit_depth)
                return drawing.draw(image, manifest, drawn_thin)
        except UnreadableSheet as error:
            earlier = live / f"{drawing.name}.jpg"  # as earlier releases named it
            return earlier.read_bytes() if earlier.is_file() else drawing.note(str(error), manifest)

    return {drawing.name: partial(draw, drawing) for drawing in chosen}
