"""Calling networks on sheets; free of Keras, so that any runtime can use it."""

import time
from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

#: Sheets are padded to multiples of this, pixels; no segmenter here has a larger stride.
STRIDE = 32


class Predict(Protocol):
    """A segmenter: gray values ``(1, height, width, 1)`` to probabilities of each class."""

    def __call__(self, x: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Run the network."""


def probability_map(predict: Predict, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Run a segmenter on a sheet of any size, mirrored at its edges up to whole strides.

    Args:
        predict: From ``(1, height, width, 1)``, gray values 0 to 255, to probabilities.
        image: Gray picture of shape ``(height, width)``, uint8.

    Returns:
        Probability of each class, ``(height, width, classes)``, uint8, 255 for certain.
    """
    height, width = image.shape
    padding = ((0, -height % STRIDE), (0, -width % STRIDE))
    padded = np.pad(image, padding, mode="symmetric").astype(np.float32)
    output = np.asarray(predict(padded[None, ..., None]))[0, :height, :width]
    return np.asarray(np.rint(output * 255), dtype=np.uint8)


def median_ms(call: Callable[[], object], repeats: int) -> float:
    """Return the median time of a call, milliseconds, after two calls to warm up."""
    times = []
    for _ in range(repeats + 2):
        started = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - started))
    return float(np.median(times[2:]))


def half_size(maps: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Average maps of shape ``(height, width, classes)`` down to half of both sides."""
    size = (max(1, maps.shape[1] // 2), max(1, maps.shape[0] // 2))
    # A class at a time: OpenCV resizes no more than four channels at once.
    planes = (np.ascontiguousarray(maps[..., k]) for k in range(maps.shape[2]))
    small = [cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in planes]
    return np.asarray(np.stack(small, axis=-1), dtype=np.uint8)
