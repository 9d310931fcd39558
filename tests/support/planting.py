"""Copies of pictures as they turn up in data sets: moved, turned, brightened, saved anew."""

import cv2
import numpy as np

Picture = np.ndarray


def moved(image: Picture, dy: int, dx: int) -> Picture:
    """Move the content by whole pixels; what comes in at the edge mirrors what is beside it."""
    padded = np.pad(image, 4, mode="symmetric")
    return padded[4 - dy : 4 - dy + image.shape[0], 4 - dx : 4 - dx + image.shape[1]]


def resaved(image: Picture, quality: int = 75) -> Picture:
    data = cv2.imencode(".jpg", np.ascontiguousarray(image), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)


def brightened(image: Picture, gain: float = 1.1, shift: float = 8) -> Picture:
    return np.clip(image.astype(float) * gain + shift, 0, 255).astype(np.uint8)


def planted(image: Picture, rng: np.random.Generator) -> Picture:
    """Copy a picture with all of these changes at once, by chance."""
    copy = moved(image, *rng.integers(-4, 5, 2))
    copy = brightened(copy, rng.uniform(0.85, 1.15), rng.uniform(-12, 12))
    copy = np.rot90(copy, rng.integers(4))
    copy = copy[:, ::-1] if rng.random() < 0.5 else copy
    return resaved(copy, int(rng.integers(70, 96)))
