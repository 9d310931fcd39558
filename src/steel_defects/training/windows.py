"""Windows of sheets: where to cut them, and reading their masks from the runs alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from steel_defects.data.appearance import BLACK_LEVEL
from steel_defects.labels import rle as run_length

Gray = NDArray[np.uint8]
Size = tuple[int, int]

_STEP = 8  # every eighth pixel down and across tells well enough where the black border is


class Window(NamedTuple):
    """A part of a sheet, in pixels; ``x, y`` is its upper left corner."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Runs:
    """The mask of one class on one sheet as runs of pixels, down one column after the other."""

    starts: NDArray[np.int64]  # zero-based first pixel of each run, sorted; shape (runs,)
    ends: NDArray[np.int64]  # the pixel after the last of each run
    before: NDArray[np.int64]  # defective pixels in the runs before each one
    sheet_height: int

    @classmethod
    def parse(cls, rle: str, height: int, width: int) -> "Runs":
        """Read an encoded mask; errors are those of :func:`steel_defects.labels.rle.parse`."""
        starts, lengths = run_length.parse(rle, height * width)
        return cls(starts, starts + lengths, np.cumsum(lengths) - lengths, height)

    def paint(self, window: Window) -> Gray | None:
        """Return the mask of a window, of shape ``(window.height, window.width)``.

        The columns of a window are one stretch of the sheet's pixels, so that only the runs within
        it are looked at; None where there are none.
        """
        first = window.x * self.sheet_height
        pixels = window.width * self.sheet_height
        low = int(self.ends.searchsorted(first, side="right"))
        high = int(self.starts.searchsorted(first + pixels))
        if low >= high:
            return None
        # Where the mask changes between 0 and 1, so that np.repeat can write it at one go.
        changes = np.empty(2 * (high - low) + 2, np.int64)
        changes[0], changes[-1] = 0, pixels
        changes[1:-1:2] = np.maximum(self.starts[low:high] - first, 0)
        changes[2:-1:2] = np.minimum(self.ends[low:high] - first, pixels)
        inside = np.zeros(len(changes) - 1, np.uint8)
        inside[1::2] = 1
        strip = inside.repeat(changes[1:] - changes[:-1]).reshape(window.width, self.sheet_height)
        rows = strip[:, window.y : window.y + window.height]
        return np.asarray(cv2.transpose(rows), np.uint8)

    def draw_pixel(self, rng: np.random.Generator) -> tuple[int, int]:
        """Draw column and row of a defective pixel, each pixel as likely as any other."""
        number = int(rng.integers(self.before[-1] + self.ends[-1] - self.starts[-1]))
        run = int(self.before.searchsorted(number, side="right")) - 1
        pixel = int(self.starts[run] + number - self.before[run])
        return pixel // self.sheet_height, pixel % self.sheet_height


def paint_classes(runs: Mapping[int, Runs], window: Window) -> dict[int, Gray]:
    """Return the masks of the classes that a window shows, by channel: class 1 is channel 0."""
    painted = {class_id - 1: of_class.paint(window) for class_id, of_class in runs.items()}
    return {channel: mask for channel, mask in painted.items() if mask is not None}


def places_by_class(sheets: Sequence[Mapping[int, Runs]]) -> dict[int, list[int]]:
    """List for each class that occurs, in order, the places of the sheets that have it."""
    places: dict[int, list[int]] = {}
    for place, runs in enumerate(sheets):
        for class_id in runs:
            places.setdefault(class_id, []).append(place)
    return dict(sorted(places.items()))


def cut(image: Gray, window: Window) -> Gray:
    """Return a window of a sheet as a view."""
    return image[window.y : window.y + window.height, window.x : window.x + window.width]


def place_on_defect(runs: Runs, sheet: Size, size: Size, rng: np.random.Generator) -> Window:
    """Place a window so that it shows a defect, at no particular spot of the window.

    ``runs`` is not empty. Height and width of the window are at most the sheet's.
    """
    column, row = runs.draw_pixel(rng)
    starts = [
        int(rng.integers(max(0, pixel - window + 1), min(pixel, length - window) + 1))
        for pixel, length, window in zip((row, column), sheet, size, strict=True)
    ]
    return Window(starts[1], starts[0], size[1], size[0])


def place_anywhere(sheet: Size, size: Size, rng: np.random.Generator) -> Window:
    """Place a window, each place as likely as any other; see :func:`place_on_defect`."""
    y, x = (int(rng.integers(n - m + 1)) for n, m in zip(sheet, size, strict=True))
    return Window(x, y, size[1], size[0])


def place_on_steel(image: Gray, size: Size, max_black: float, rng: np.random.Generator) -> Window:
    """Place a window where it shows steel, each such place about as likely as any other.

    A share of up to ``max_black``, 0 to 1, may be black, as measured at every eighth pixel. Where
    no window has so little, one of those with the least is taken.
    """
    black = image[::_STEP, ::_STEP] < BLACK_LEVEL
    if not black.any():
        return place_anywhere(image.shape, size, rng)
    shares = _window_means(black.view(np.uint8), (size[0] // _STEP, size[1] // _STEP))
    most = max(max_black, float(shares.min()))
    row, column = divmod(int(rng.choice(np.flatnonzero(shares <= most))), shares.shape[1])
    lowest, rightmost = image.shape[0] - size[0], image.shape[1] - size[1]

    def window_at(y: int, x: int) -> Window:
        return Window(min(x, rightmost), min(y, lowest), size[1], size[0])

    place = window_at(_STEP * row, _STEP * column)
    # Up to a step further on, if that is as good, so that windows don't all lie on one grid.
    down, right = (int(value) for value in rng.integers(_STEP, size=2))
    moved = window_at(place.y + down, place.x + right)
    black = cut(image, moved)[::_STEP, ::_STEP] < BLACK_LEVEL
    return moved if black.mean() <= most else place


def _window_means(values: Gray, size: Size) -> NDArray[np.float64]:
    """Return the mean of every window; of shape ``(rows - size[0] + 1, columns - …)``."""
    rows, columns = max(1, size[0]), max(1, size[1])
    sums = cv2.integral(values)
    below, above = sums[rows:], sums[:-rows]
    inside = below[:, columns:] - below[:, :-columns] - above[:, columns:] + above[:, :-columns]
    return np.asarray(inside / (rows * columns), np.float64)
