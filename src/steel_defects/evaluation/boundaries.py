"""How well outlines agree, apart from areas."""

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint8]

_WIDTH_SHARE = 0.02  # of the picture's diagonal, as the paper sets it


def boundary_width(height: int, width: int) -> int:
    """Return the paper's width of a boundary, pixels: 2 % of the diagonal, at least 1."""
    return max(1, round(_WIDTH_SHARE * float(np.hypot(height, width))))


def inner_boundary(mask: Mask, width: int) -> Mask:
    """Return the pixels of a mask that lie within ``width`` pixels of its outline."""
    padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    core = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=width)[1:-1, 1:-1]
    return np.asarray(mask - core, dtype=np.uint8)


def boundary_iou(truth: Mask, predicted: Mask, width: int) -> float:
    """Intersection over union of two masks' inner boundaries (Cheng et al. 2021, arXiv:2103.16562).

    Args:
        truth: True mask of shape ``(height, width)``, 0 or 1.
        predicted: Predicted mask of the same shape.
        width: Width of the boundaries, pixels.

    Returns:
        0 to 1; 1 where both masks are empty.
    """
    first, second = inner_boundary(truth, width), inner_boundary(predicted, width)
    union = int(np.count_nonzero(first | second))
    return int(np.count_nonzero(first & second)) / union if union else 1.0
