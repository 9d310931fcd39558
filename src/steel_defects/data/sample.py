"""A set of synthetic sheets in Severstal's layout."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from steel_defects.data.config import SampleDataConfig
from steel_defects.data.synthetic import draw_sheet
from steel_defects.images.jpeg import to_jpeg
from steel_defects.labels import rle as run_length
from steel_defects.threads import map_in_order

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SampleSheet:
    """A synthetic sheet as it lies on disk.

    Attributes:
        name: File name.
        jpeg: The picture.
        masks: Encoded mask of each class on it.
    """

    name: str
    jpeg: bytes
    masks: dict[int, str]


def draw_samples(config: SampleDataConfig, first: int, count: int) -> Iterator[SampleSheet]:
    """Draw sheets number ``first`` to ``first + count - 1`` on all cores."""

    def draw(index: int) -> SampleSheet:
        sheet = draw_sheet(config, index)
        jpeg = to_jpeg(sheet.image, quality=95)
        masks = {class_id: run_length.encode(mask) for class_id, mask in sheet.masks.items()}
        return SampleSheet(f"sheet_{index:05d}.jpg", jpeg, masks)

    sheets = map_in_order(draw, range(first, first + count))
    for done, sheet in enumerate(sheets, start=1):
        if done % 100 == 0:
            logger.info("drew %d of %d sheets", done, count)
        yield sheet
