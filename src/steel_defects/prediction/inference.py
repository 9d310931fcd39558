"""Calling networks on sheets; free of Keras, so that any runtime can use it."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import DTypeLike, NDArray

from steel_defects.config import Config
from steel_defects.data.tiles import cut_windows
from steel_defects.decision.postprocessing import SheetPrediction
from steel_defects.images.orientations import FLIPS, HALF_TURN, ORIENTATIONS, oriented, turned_back
from steel_defects.models.config import STRIDE

#: Pixels of the largest sheet that is predicted as a whole. Larger ones are predicted in tiles,
#: because networks take a hundred times the memory of what they are shown.
LARGEST_WHOLE = 2**23
# Height and width of a tile, and what neighbours share, pixels. Half of that is context only.
_TILE = (1024, 2048)
_SHARED = 256

#: Test-time augmentation: the orientations over which predictions are averaged.
TestTimeAugmentation = Literal["none", "half_turn", "flips", "d4"]


class SegmenterPredictionConfig(Config):
    """How segmenters are asked.

    Attributes:
        tta: Average over the sheet and its ``half_turn``, over ``flips`` (4 orientations) or over
            ``d4`` (all 8, of square sheets; others are flipped); ``none`` asks once.
        map_shrink: The maps that are kept for tuning and curves have a side this many times shorter
            than the sheet; 1 tunes at the size at which masks are made.
    """

    tta: TestTimeAugmentation = "none"
    map_shrink: Literal[1, 2, 4] = 1


#: A segmenter: gray values, ``(batch, height, width, 1)``, float32 or uint8, to the probability of
#: each class at each pixel, ``(batch, height, width, classes)``, or to a list of this and the
#: probability that each class occurs, ``(batch, classes)``.
Predict = Callable[[NDArray[Any]], NDArray[np.float32] | Sequence[NDArray[np.float32]]]


def predict_sheet(
    predict: Predict,
    image: NDArray[np.uint8],
    tta: TestTimeAugmentation = "none",
    stride: int = STRIDE,
    dtype: DTypeLike = np.float32,
) -> SheetPrediction:
    """Run a segmenter on a sheet of any size, mirrored at its edges up to whole strides.

    A sheet of more than :data:`LARGEST_WHOLE` pixels is predicted in tiles of equal size that
    overlap; each pixel comes from a tile whose cut is at least half an overlap away. A class is as
    likely on the sheet as on the tile where it is likeliest.

    Args:
        predict: The segmenter. Without an output for presence, that of a class is the maximum of
            its map.
        image: Gray picture of shape ``(height, width)``, uint8.
        tta: Orientations over which maps and presence are averaged, in one batch.
        stride: What the sides of its input must be multiples of, pixels.
        dtype: Of the gray values that it takes.
    """
    height, width = image.shape
    tiles = [[0, 0, width, height]]
    if height * width > LARGEST_WHOLE:
        steps = (_TILE[0] - _SHARED, _TILE[1] - _SHARED)
        tiles = cut_windows(height, width, _TILE, steps).tolist()
    answers = []
    for x, y, wide, tall in tiles:
        window = image[y : y + tall, x : x + wide]
        outputs = predict(sheet_batch(window, tta, stride).astype(dtype, copy=False))
        both = list(outputs) if isinstance(outputs, (list, tuple)) else [np.asarray(outputs)]
        answers.append(sheet_prediction(both, window.shape, tta))
    if len(answers) == 1:
        return answers[0]
    maps = np.empty((height, width, answers[0].maps.shape[-1]), np.uint8)
    for (x, y, wide, tall), answer in zip(tiles, answers, strict=True):
        inner = np.s_[_SHARED // 2 if y else 0 :, _SHARED // 2 if x else 0 :]
        maps[y : y + tall, x : x + wide][inner] = answer.maps[inner]
    return SheetPrediction(maps, np.max([answer.presence for answer in answers], axis=0))


def sheet_batch(
    image: NDArray[np.uint8], tta: TestTimeAugmentation = "none", stride: int = STRIDE
) -> NDArray[np.uint8]:
    """Return what a segmenter is shown of a sheet: :func:`predict_sheet` before the network.

    That is one picture per orientation, ``(orientations, height, width, 1)``, uint8.
    """
    height, width = image.shape
    if height % stride or width % stride:
        padding = ((0, -height % stride), (0, -width % stride))
        image = np.pad(image, padding, mode="symmetric")
    turns = _orientations(tta, image.shape)
    return np.stack([oriented(image, turn) for turn in turns])[..., None]


def sheet_prediction(
    outputs: Sequence[NDArray[np.float32]],
    shape: tuple[int, ...],
    tta: TestTimeAugmentation = "none",
) -> SheetPrediction:
    """Turn a segmenter's outputs into its answer: :func:`predict_sheet` after the network.

    These are maps, ``(orientations, height, width, classes)``, and presence, ``(orientations,
    classes)``, where the network says it; none of them is kept. ``shape`` is that of the sheet.
    """
    turned = np.asarray(outputs[0], np.float32)
    turns = _orientations(tta, turned.shape[1:3])
    total = turned[0]
    for one, turn in zip(turned[1:], turns[1:], strict=True):
        total = total + turned_back(one, turn)
    maps = total[: shape[0], : shape[1]]
    if len(outputs) > 1:
        presence = np.mean(np.asarray(outputs[1]), axis=0)
    else:  # many times faster than over both axes at once
        presence = maps.max(axis=0).max(axis=0) / len(turns)
    # Scales and rounds to even in one pass, a hundred times faster than NumPy.
    flat = np.ascontiguousarray(maps).reshape(maps.shape[0], -1)
    whole = cv2.convertScaleAbs(flat, alpha=255 / len(turns))
    return SheetPrediction(
        np.asarray(whole, np.uint8).reshape(maps.shape), np.array(presence, np.float32)
    )


def _orientations(tta: TestTimeAugmentation, shape: tuple[int, ...]) -> Sequence[int]:
    if tta == "d4" and shape[0] == shape[1]:
        return ORIENTATIONS
    return {"none": (0,), "half_turn": HALF_TURN}.get(tta, FLIPS)


def percentiles_ms(
    call: Callable[[], object], repeats: int, percentiles: Sequence[float]
) -> list[float]:
    """Return percentiles of the time of a call, milliseconds, after two calls to warm up."""
    times = []
    for _ in range(repeats + 2):
        started = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - started))
    return [float(value) for value in np.percentile(times[2:], percentiles)]


def shrink_maps(maps: NDArray[np.uint8], times: int) -> NDArray[np.uint8]:
    """Average maps of shape ``(height, width, classes)`` until both sides are so much shorter."""
    if times == 1:
        return maps
    size = (max(1, maps.shape[1] // times), max(1, maps.shape[0] // times))
    # A class at a time: OpenCV resizes no more than four channels at once.
    planes = (np.ascontiguousarray(maps[..., k]) for k in range(maps.shape[2]))
    small = [cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in planes]
    return np.asarray(np.stack(small, axis=-1), dtype=np.uint8)
