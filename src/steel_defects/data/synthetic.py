"""Synthetic steel sheets with true masks, in Severstal's size and classes.

Defects are told from harmless marks by shape, direction and polarity, not by brightness: dust is
bright where pits are dark, roll lines run the whole length where scratches are short and oblique,
joints are straight where cracks waver, chatter is streaky where scale is rough. A threshold on
contrast therefore answers to both.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from steel_defects.data.config import SampleDataConfig
from steel_defects.images.reading import to_jpeg
from steel_defects.labels import rle as run_length
from steel_defects.threads import map_in_order

logger = logging.getLogger(__name__)

Field = NDArray[np.float32]
Mask = NDArray[np.uint8]


@dataclass(frozen=True)
class SyntheticSheet:
    """A gray picture and the mask of each defect class on it, of one shape; masks are 0 or 1."""

    image: NDArray[np.uint8]
    masks: dict[int, Mask]


def draw_sheet(config: SampleDataConfig, index: int) -> SyntheticSheet:
    """Draw sheet number ``index``; the same seed and number give the same sheet.

    Sheets alternate between clean and defective, so that a set of any size is half clean.
    """
    rng = np.random.default_rng([config.seed, index])
    shape = (config.height, config.width)
    surface = _rolled_surface(rng, shape)
    for mark in _HARMLESS:
        if rng.random() < 0.8:
            mark(rng, surface)
    masks: dict[int, Mask] = {}
    if index % 2:
        count = 2 if rng.random() < 0.12 else 1
        for class_id in rng.choice(4, size=count, replace=False, p=_CLASS_SHARE).tolist():
            defects = [_DEFECTS[class_id](rng, surface) for _ in range(int(rng.integers(1, 4)))]
            masks[class_id + 1] = np.bitwise_or.reduce(defects)
    steel = _steel_area(rng, shape)
    surface += rng.normal(0.0, rng.uniform(1.5, 3.5), shape).astype(np.float32)
    image = np.where(steel > 0, np.clip(surface, 12, 255), rng.uniform(0, 6, shape))
    masks = {class_id: mask & steel for class_id, mask in masks.items()}
    masks = {class_id: mask for class_id, mask in masks.items() if mask.sum() >= 64}
    return SyntheticSheet(image.astype(np.uint8), masks)


def _smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int], cells: tuple[float, float]
) -> Field:
    """Return unit-variance noise whose grain is ``cells`` pixels high and wide."""
    small = (max(2, round(shape[0] / cells[0])), max(2, round(shape[1] / cells[1])))
    noise = rng.standard_normal(small, dtype=np.float32)
    field = cv2.resize(noise, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(field / (field.std() + 1e-6), dtype=np.float32)


def _rolled_surface(rng: np.random.Generator, shape: tuple[int, int]) -> Field:
    """Return a bare sheet: uneven light, rolling texture and lines along the strip."""
    surface = np.full(shape, rng.uniform(80, 150), np.float32)
    surface += rng.uniform(5, 20) * _smooth_noise(rng, shape, (shape[0] / 2, shape[1] / 5))
    surface += rng.uniform(2, 6) * _smooth_noise(rng, shape, (5, 24))
    surface += rng.uniform(1, 4) * _smooth_noise(rng, shape, (3, 3))
    surface += rng.uniform(1, 4) * _smooth_noise(rng, (shape[0], 1), (4, 1))[:, :1]
    return surface


def _steel_area(rng: np.random.Generator, shape: tuple[int, int]) -> Mask:
    """Return where there is steel: some sheets end in black on one side."""
    steel = np.ones(shape, np.uint8)
    if rng.random() < 0.3:
        width = int(rng.uniform(0.02, 0.35) * shape[1])
        slant = rng.uniform(-0.06, 0.06) * shape[0]
        edge = width + slant * np.linspace(-1, 1, shape[0])
        black = np.arange(shape[1])[None, :] < edge[:, None]
        steel[black if rng.random() < 0.5 else black[:, ::-1]] = 0
    return steel


def _dust(rng: np.random.Generator, surface: Field) -> None:
    """Clusters of bright dots."""
    for _ in range(int(rng.integers(1, 4))):
        _dots(rng, surface, rng.uniform(35, 70))


def _roll_lines(rng: np.random.Generator, surface: Field) -> None:
    """Bright and dark lines along the whole strip."""
    for _ in range(int(rng.integers(1, 4))):
        row, thickness = rng.integers(0, surface.shape[0] - 8), rng.integers(3, 8)
        surface[row : row + thickness] += rng.choice([-1, 1]) * rng.uniform(25, 60)


def _joints(rng: np.random.Generator, surface: Field) -> None:
    """Straight dark lines across the whole strip."""
    for _ in range(int(rng.integers(1, 3))):
        column, thickness = rng.integers(0, surface.shape[1] - 8), rng.integers(3, 7)
        surface[:, column : column + thickness] -= rng.uniform(35, 70)


def _chatter(rng: np.random.Generator, surface: Field) -> None:
    """Zones of strong streaks along the strip, with soft borders."""
    window = _soft_window(rng, surface.shape, (0.3, 0.6), (0.08, 0.2))
    surface += window * rng.uniform(18, 34) * _smooth_noise(rng, surface.shape, (6, 90))


def _stains(rng: np.random.Generator, surface: Field) -> None:
    """Soft dark or bright clouds."""
    for _ in range(int(rng.integers(1, 3))):
        window = _soft_window(rng, surface.shape, (0.2, 0.5), (0.04, 0.12))
        surface += rng.choice([-1, 1]) * rng.uniform(10, 30) * window


def _pits(rng: np.random.Generator, surface: Field) -> Mask:
    """Class 1: a cluster of dark dots."""
    return _closed(_dots(rng, surface, -rng.uniform(35, 70)), 21)


def _cracks(rng: np.random.Generator, surface: Field) -> Mask:
    """Class 2: a dark line across the strip that wavers."""
    height, width = surface.shape
    length = int(rng.uniform(0.3, 0.7) * height)
    ys = np.linspace(0, length, 12) + rng.uniform(0, height - length)
    xs = np.cumsum(rng.normal(0, 7, 12)) + rng.uniform(0.03, 0.97) * width
    line = _polyline(surface.shape, xs, ys, int(rng.integers(4, 9)))
    _paint(surface, line, -rng.uniform(40, 75))
    return _dilated(line, 7)


def _scratches(rng: np.random.Generator, surface: Field) -> Mask:
    """Class 3: a bundle of short oblique lines, bright with a dark edge."""
    height, width = surface.shape
    angle = rng.choice([-1, 1]) * rng.uniform(0.25, 0.9)
    length = rng.uniform(0.35, 0.9) * height
    step = 0.5 * length * np.array([np.cos(angle), np.sin(angle)])
    centre = np.array([rng.uniform(0.05, 0.95) * width, rng.uniform(0.25, 0.75) * height])
    bundle = np.zeros(surface.shape, np.uint8)
    for _ in range(int(rng.integers(2, 6))):
        middle = centre + rng.normal(0, 14, 2)
        xs, ys = np.stack([middle - step, middle + step], axis=1)
        thickness = int(rng.integers(3, 7))
        _paint(surface, _polyline(surface.shape, xs, ys + thickness, thickness), -25)
        line = _polyline(surface.shape, xs, ys, thickness)
        _paint(surface, line, rng.uniform(40, 75))
        bundle |= line
    return _dilated(_closed(bundle, 21), 9)


def _scale(rng: np.random.Generator, surface: Field) -> Mask:
    """Class 4: a large patch with a ragged border, rough inside and no brighter on the whole."""
    height, width = surface.shape
    patch = np.zeros(surface.shape, np.uint8)
    centre = (int(rng.uniform(0.05, 0.95) * width), int(rng.uniform(0.2, 0.8) * height))
    axes = (int(rng.uniform(0.25, 0.7) * height), int(rng.uniform(0.15, 0.35) * height))
    cv2.ellipse(patch, centre, axes, rng.uniform(-30, 30), 0, 360, 1, -1)
    ragged = cv2.GaussianBlur(patch.astype(np.float32), (0, 0), 9)
    patch = (ragged + 0.12 * _smooth_noise(rng, surface.shape, (14, 14)) > 0.5).astype(np.uint8)
    rough = _smooth_noise(rng, surface.shape, (7, 7)) + _smooth_noise(rng, surface.shape, (15, 15))
    surface += patch * rng.uniform(11, 18) * rough
    return _largest(patch)


def _dots(rng: np.random.Generator, surface: Field, contrast: float) -> Mask:
    """Paint a cluster of dots and return where they are."""
    height, width = surface.shape
    spread = np.array([rng.uniform(0.1, 0.25), rng.uniform(0.08, 0.16)]) * height
    centre = np.array([rng.uniform(0.05, 0.95) * width, rng.uniform(0.15, 0.85) * height])
    dots = np.zeros(surface.shape, np.uint8)
    for x, y in centre + rng.normal(0, 0.5, (int(rng.integers(25, 60)), 2)) * spread:
        cv2.circle(dots, (int(x), int(y)), int(rng.integers(2, 5)), 1, -1)
    _paint(surface, dots, contrast)
    return dots


def _soft_window(
    rng: np.random.Generator,
    shape: tuple[int, int],
    tall: tuple[float, float],
    wide: tuple[float, float],
) -> Field:
    """Return a Gaussian hill between 0 and 1; sizes are shares of the sheet's height and width."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    dy = (y - rng.uniform(0, 1) * shape[0]) / (rng.uniform(*tall) * shape[0])
    dx = (x - rng.uniform(0, 1) * shape[1]) / (rng.uniform(*wide) * shape[1])
    return np.exp(-(dx**2) - dy**2).astype(np.float32)


def _polyline(
    shape: tuple[int, int], xs: NDArray[np.float64], ys: NDArray[np.float64], thickness: int
) -> Mask:
    canvas = np.zeros(shape, np.uint8)
    points = np.stack([xs, ys], axis=1).round().astype(np.int32)
    return np.asarray(cv2.polylines(canvas, [points], False, 1, thickness), dtype=np.uint8)


def _paint(surface: Field, where: Mask, contrast: float) -> None:
    surface += contrast * cv2.GaussianBlur(where.astype(np.float32), (0, 0), 1.0)


def _closed(mask: Mask, size: int) -> Mask:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, kernel), dtype=np.uint8)


def _dilated(mask: Mask, size: int) -> Mask:
    return np.asarray(cv2.dilate(mask, np.ones((size, size), np.uint8)), dtype=np.uint8)


def _largest(mask: Mask) -> Mask:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    if count < 2:
        return mask
    return (labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())).astype(np.uint8)


_CLASS_SHARE = (0.22, 0.18, 0.36, 0.24)
_HARMLESS = (_dust, _roll_lines, _joints, _chatter, _stains)
_DEFECTS = (_pits, _cracks, _scratches, _scale)  # classes 1 to 4


@dataclass(frozen=True)
class SampleSheet:
    """A synthetic sheet as it lies on disk: its file, and the encoded mask of each class on it."""

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
