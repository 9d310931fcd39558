"""Pictures of inspected sheets: which of them are drawn, and how."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from steel_defects.decision.reasons import UNREADABLE
from steel_defects.drawing.overlays import draw_overlay, harmless, with_heading
from steel_defects.files import replaced
from steel_defects.images.reading import UnreadableSheet, decode_gray, limited_by_memory, to_jpeg
from steel_defects.inspection.cascade import InspectedSheet
from steel_defects.inspection.config import InspectionConfig
from steel_defects.inspection.frames import Frame
from steel_defects.inspection.sources import SheetSource
from steel_defects.inspection.store.parts import JoinedTable
from steel_defects.labels import rle as run_length
from steel_defects.paths import flat_name

#: Accepted sheets that are drawn besides all others.
ACCEPTED = 8


@dataclass(frozen=True)
class Drawing:
    """A sheet to draw, with its verdict and the encoded mask of each class, ``""`` for none."""

    sheet_id: str
    verdict: str
    reason: str
    masks: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of its picture."""
        return f"{self.verdict}_{flat_name(self.sheet_id)}.jpg"

    def draw(self, image: np.ndarray, class_names: tuple[str, ...]) -> np.ndarray:
        """Lay the masks over the sheet, below a line with its verdict."""
        dense = {
            number: run_length.decode(mask, *image.shape)
            for number, mask in enumerate(self.masks, start=1)
            if mask
        }
        heading = f"{self.sheet_id}: {self.verdict} - {self.reason}"
        return with_heading(draw_overlay(image, dense, class_names), heading)


@dataclass
class Choice:
    """All rejected and reviewed sheets and the first accepted ones, up to a limit.

    Attributes:
        limit: How many are drawn at most.
        drawn: How many are drawn already, by verdict.
    """

    limit: int
    drawn: Counter[str] = field(default_factory=Counter)

    def takes(self, verdict: str, reason: str) -> bool:
        """Say whether a sheet is drawn, and count it if so."""
        if reason.startswith(UNREADABLE) or self.full:
            return False
        if verdict == "accept" and self.drawn["accept"] >= ACCEPTED:
            return False
        self.drawn[verdict] += 1
        return True

    @property
    def full(self) -> bool:
        """Whether no more sheets are drawn."""
        return self.drawn.total() >= self.limit


class LiveOverlays:
    """Draws sheets while a folder is watched; their files may be gone when it ends."""

    def __init__(self, folder: Path, config: InspectionConfig, names: tuple[str, ...]) -> None:
        """Name the folder; pictures of an earlier run in it count."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._names = folder, names
        drawn = Counter(path.name.partition("_")[0] for path in folder.glob("*.jpg"))
        self._choice = Choice(config.overlays, drawn)

    def __call__(self, frame: Frame, sheet: InspectedSheet) -> None:
        """Draw a sheet, if it is one to be drawn."""
        verdict, reason = sheet.verdict.verdict, sheet.verdict.reason
        if frame.image is None or not self._choice.takes(verdict, reason):
            return
        drawing = Drawing(sheet.sheet_id, verdict, reason, sheet.masks)
        # What does not fit into memory is drawn at the end, when no networks take any.
        with (
            suppress(UnreadableSheet),
            limited_by_memory(),
            replaced(self._folder / drawing.name) as temporary,
        ):
            temporary.write_bytes(to_jpeg(drawing.draw(frame.image, self._names)))


def drawings(
    verdicts: JoinedTable, submission: JoinedTable, config: InspectionConfig
) -> Iterator[Drawing]:
    """Choose sheets from the tables of parts, one part's in memory at a time."""
    choice = Choice(config.overlays)
    for judged, outlined in zip(verdicts, submission, strict=True):
        if choice.full:
            return
        table = pd.read_parquet(judged, columns=["sheet_id", "verdict", "reason"])
        masks = pd.read_csv(outlined, dtype=str, keep_default_na=False)["EncodedPixels"].tolist()
        classes = len(masks) // max(1, len(table))  # rows of a sheet stand together, by class
        for row, (sheet_id, verdict, reason) in enumerate(table.itertuples(index=False, name=None)):
            if choice.takes(verdict, reason):
                of_sheet = masks[row * classes : (row + 1) * classes]
                yield Drawing(sheet_id, verdict, reason, tuple(of_sheet))


def pictures(
    chosen: Iterator[Drawing], source: SheetSource, class_names: tuple[str, ...], live: Path
) -> Mapping[str, Callable[[], np.ndarray | bytes]]:
    """Return a function that makes each picture: from the one drawn before, or from the sheet."""

    def draw(drawing: Drawing) -> np.ndarray | bytes:
        if (live / drawing.name).is_file():
            return (live / drawing.name).read_bytes()
        try:
            with limited_by_memory():
                return drawing.draw(decode_gray(source.read_file(drawing.sheet_id)), class_names)
        except UnreadableSheet as error:
            note, text = np.full((64, 1200), 40, np.uint8), f"{drawing.sheet_id}: {error}"
            cv2.putText(note, harmless(text), (10, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (235,), 1)
            return note

    return {drawing.name: partial(draw, drawing) for drawing in chosen}
