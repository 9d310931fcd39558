"""How well outlines agree, apart from areas."""

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint8]

#: How far outlines may lie apart in the boundary F1 of the comparisons, pixels.
TOLERANCE_PX = 2.0

_WIDTH_SHARE = 0.02  # of the picture's diagonal, as the paper sets it
_EPSILON = 1e-3


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


def boundary_f1(truth: Mask, predicted: Mask, tolerance: float = TOLERANCE_PX) -> float:
    """F1 of outlines that may lie a little apart (Csurka et al. 2013, doi:10.5244/C.27.32).

    Precision is the share of the predicted outline that lies near the true one, recall the share of
    the true outline that lies near the predicted one. An outline is one pixel wide and runs along
    the picture's end, too, where a mask reaches it.

    Args:
        truth: True mask of shape ``(height, width)``, 0 or 1.
        predicted: Predicted mask of the same shape.
        tolerance: Largest Euclidean distance that counts as near, pixels.

    Returns:
        0 to 1; 1 where both masks are empty.
    """
    if not truth.any() or not predicted.any():
        return float(not truth.any() and not predicted.any())
    first, second = inner_boundary(truth, 1), inner_boundary(predicted, 1)
    precision, recall = _share_near(second, first, tolerance), _share_near(first, second, tolerance)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _share_near(outline: Mask, other: Mask, tolerance: float) -> float:
    distance = cv2.distanceTransform(1 - other, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # The distance is a float32 root; a tolerance of a whole number of pixels must include it.
    return float((distance[outline > 0] <= tolerance + _EPSILON).mean())
