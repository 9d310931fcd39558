"""How far two masks agree, from counts of their pixels."""


def dice(intersection: int, truth: int, predicted: int) -> float:
    """Dice coefficient of two masks from their areas; 1 where both are empty."""
    total = truth + predicted
    return 2 * intersection / total if total else 1.0


def iou(intersection: int, truth: int, predicted: int) -> float:
    """Intersection over union of two masks from their areas; 1 where both are empty."""
    union = truth + predicted - intersection
    return intersection / union if union else 1.0
