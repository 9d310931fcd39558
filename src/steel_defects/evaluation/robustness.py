"""How figures fall when pictures get worse: the corruptions of a camera, in five levels each.

In the manner of Hendrycks and Dietterich 2019 (arXiv:1903.12261), with what a line does to
pictures: lenses out of focus, sensor noise, lamps that age, compression, and strips that wander.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.decision.calibration import scale_scores
from steel_defects.decision.operating_point import OperatingPoint
from steel_defects.decision.postprocessing import ClassPostprocessing
from steel_defects.evaluation.segmentation import pair_table, segmentation_metrics, sizes_of
from steel_defects.images.folder import SheetFolder
from steel_defects.labels import rle as run_length
from steel_defects.prediction.inference import TestTimeAugmentation
from steel_defects.progress import track
from steel_defects.tables.declared import ROBUSTNESS

Image = NDArray[np.uint8]

#: Strength of levels 1 to 5 of each corruption, and what it is measured in.
LEVELS: Mapping[str, tuple[float, float, float, float, float]] = {
    "blur": (0.5, 1, 2, 3, 5),
    "noise": (3, 6, 12, 24, 40),
    "brightness": (0.9, 0.75, 0.6, 0.45, 0.3),
    "JPEG": (80, 50, 30, 15, 5),
    "shift": (4, 8, 16, 32, 64),
}
UNITS: Mapping[str, str] = {
    "blur": "standard deviation of the blur, px",
    "noise": "standard deviation of the noise, gray values",
    "brightness": "share of the light that is left",
    "JPEG": "quality of the compression",
    "shift": "px to the right, mirrored at the edge",
}


def corrupt(image: Image, corruption: str, level: int, seed: int = 0) -> Image:
    """Make a gray picture, ``(height, width)``, worse, by a level of 1 to 5; 0 leaves it as it is.

    The seed is that of the noise.
    """
    if level == 0:
        return image
    strength = LEVELS[corruption][level - 1]
    if corruption == "blur":
        return np.asarray(cv2.GaussianBlur(image, (0, 0), strength), np.uint8)
    if corruption == "JPEG":
        encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(strength)])[1]
        return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.uint8)
    if corruption == "shift":
        return shifted(image, level)
    changed = image * strength
    if corruption == "noise":
        changed = image + np.random.default_rng(seed).normal(0, strength, image.shape)
    return np.asarray(changed.round().clip(0, 255), np.uint8)


def shifted(image: Image, level: int) -> Image:
    """Shift a picture or a mask by a level of 1 to 5; what comes in is mirrored."""
    width = image.shape[1]
    pixels = min(int(LEVELS["shift"][level - 1]), width)
    moved = np.pad(image, ((0, 0), (pixels, 0)), mode="symmetric")
    return np.ascontiguousarray(moved[:, :width])


def choose_for_robustness(sheets: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    """Choose ``most`` sheets by a seed, half of them defective as far as there are as many."""
    order = np.random.default_rng(seed).permutation(len(sheets))
    mixed = sheets.sort_values("sheet_id").iloc[order]
    turn = mixed.groupby("has_defect").cumcount()
    return mixed.iloc[np.argsort(turn.to_numpy(), kind="stable")[:most]].sort_values("sheet_id")


@dataclass(frozen=True)
class Judges:
    """The chosen networks with their settings; ``gate`` and ``point`` are None without a gate."""

    gate: Any
    point: OperatingPoint | None
    segmenter: Any
    settings: Sequence[ClassPostprocessing]
    tta: TestTimeAugmentation


@dataclass(frozen=True)
class _WorseSheets:
    """A folder of sheets that reads every picture at a level of a corruption."""

    folder: SheetFolder
    corruption: str
    level: int
    seed: int

    def read(self, relative_path: str) -> Image:
        return corrupt(self.folder.read(relative_path), self.corruption, self.level, self.seed)


def robustness_table(
    judges: Judges, folder: SheetFolder, sheets: pd.DataFrame, annotations: pd.DataFrame, seed: int
) -> pd.DataFrame:
    """Return the table ``robustness``: sheets at every level of every corruption; imports Keras.

    Args:
        judges: The models.
        folder: Where the pictures are.
        sheets: ``sheet_id, path, height, width, has_defect`` of those to judge.
        annotations: ``sheet_id, class_id, rle`` of the defects.
        seed: Of the noise.
    """
    truth = annotations[annotations["sheet_id"].isin(set(sheets["sheet_id"]))]
    # Level 0 is the same for all, and judged once.
    as_is = _judged(judges, _WorseSheets(folder, "blur", 0, seed), sheets, truth)
    steps = [(name, level) for name in LEVELS for level in range(1, 6)]
    rows = [as_is | {"corruption": name} for name in LEVELS] + [
        _judged(judges, _WorseSheets(folder, name, level, seed), sheets, truth)
        for name, level in track(steps, len(steps), "judging worse pictures")
    ]
    table = ROBUSTNESS.typed(rows)
    return table.sort_values(["corruption", "level"], kind="stable", ignore_index=True)


def _judged(
    judges: Judges, worse: _WorseSheets, sheets: pd.DataFrame, annotations: pd.DataFrame
) -> dict[str, object]:
    from steel_defects.prediction.predicted_masks import mask_rows, predict_maps
    from steel_defects.prediction.sheet_scores import predict_scores

    paths = sheets["path"].tolist()
    flagged, scores = None, [None] * len(paths)
    if judges.point is not None:
        outputs = predict_scores(judges.gate, worse, paths)
        calibrated = scale_scores(outputs, judges.point.temperature, judges.point.bias)
        flagged, scores = ~judges.point.clears(calibrated), calibrated.tolist()
    void = sheets["void"].tolist() if "void" in sheets and worse.corruption != "shift" else []
    maps = predict_maps(judges.segmenter, worse, paths, judges.tta, void)
    rows = [
        (sheet_id, class_id, rle)
        for sheet_id, score, answer in zip(sheets["sheet_id"], scores, maps, strict=True)
        for class_id, rle, _, _ in mask_rows(answer, judges.settings, score)
    ]
    predictions = pd.DataFrame(rows, columns=["sheet_id", "class_id", "rle"])
    if worse.corruption == "shift":  # the truth moves with the picture
        sizes = sizes_of(sheets)
        moved = [
            run_length.encode(shifted(run_length.decode(rle, *sizes[sheet_id]), worse.level))
            for sheet_id, rle in annotations[["sheet_id", "rle"]].itertuples(index=False, name=None)
        ]
        annotations = annotations.assign(rle=pd.Series(moved, annotations.index, dtype="str"))
    pairs = pair_table(predictions, annotations, sheets)
    labels = sheets["has_defect"].to_numpy(bool)
    return robustness_row(worse.corruption, worse.level, labels, flagged, pairs)


def robustness_row(
    corruption: str,
    level: int,
    labels: NDArray[np.bool_],
    flagged: NDArray[np.bool_] | None,
    pairs: pd.DataFrame,
) -> dict[str, object]:
    """Summarise what models make of corrupted sheets, in a row of the table ``robustness``.

    ``labels`` say which sheets are defective, ``flagged`` which the gate passes on, both of shape
    ``(sheets,)``; pairs are those of :func:`steel_defects.evaluation.segmentation.pair_table`.
    """
    figures = segmentation_metrics(pairs)
    gate: dict[str, float] = dict.fromkeys(("accuracy", "recall", "false_positive_rate"), np.nan)
    if flagged is not None:
        shares = (flagged == labels, flagged[labels], flagged[~labels])
        gate = dict(zip(gate, (pd.Series(share).mean() for share in shares), strict=True))
    return {
        "corruption": corruption,
        "level": level,
        "strength": LEVELS[corruption][level - 1] if level else np.nan,
        "sheets": len(labels),
        **gate,
        **{name: figures[name] for name in ("mean_dice", "dice_on_positives")},
    }
