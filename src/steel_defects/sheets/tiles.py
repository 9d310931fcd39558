"""Windows of sheets, which segmentation trains on."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from steel_defects.annotations import rle as run_length


def window_starts(length: int, window: int, stride: int) -> list[int]:
    """Return where windows begin along one side so that together they cover it.

    Windows are ``stride`` apart; the last one is moved back to end at the side's end. A side
    shorter than the window gets one window, which then is as long as the side.
    """
    last = max(0, length - window)
    return [*range(0, last, stride), last]


def cut_tiles(
    height: int, width: int, masks: Sequence[str], size: tuple[int, int], stride: tuple[int, int]
) -> Iterator[dict[str, object]]:
    """Cut a sheet into windows and measure each class in them.

    Args:
        height: Height of the sheet, pixels.
        width: Width of the sheet, pixels.
        masks: Run-length encoded mask of each class, ``""`` for none.
        size: Height and width of a window, pixels.
        stride: Distance of windows down and across, pixels.

    Yields:
        ``x, y, width, height`` of a window and ``area_px``, its defective pixels of each class.
    """
    dense = {k: run_length.decode(rle, height, width) for k, rle in enumerate(masks) if rle}
    for y in window_starts(height, size[0], stride[0]):
        for x in window_starts(width, size[1], stride[1]):
            tall, wide = min(size[0], height), min(size[1], width)
            window = np.s_[y : y + tall, x : x + wide]
            areas = [_area(dense.get(k), window) for k in range(len(masks))]
            yield {"x": x, "y": y, "width": wide, "height": tall, "area_px": areas}


def _area(mask: NDArray[np.uint8] | None, window: tuple[slice, slice]) -> int:
    return 0 if mask is None else int(mask[window].sum(dtype=np.int64))
