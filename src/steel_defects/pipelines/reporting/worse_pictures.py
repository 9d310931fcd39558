"""Gate and segmenter on sheets that were made worse; imports Keras."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.decision.calibration import scale_scores
from steel_defects.decision.operating_point import OperatingPoint
from steel_defects.decision.postprocessing import ClassPostprocessing
from steel_defects.evaluation.robustness import (
    LEVELS,
    corrupt,
    robustness_row,
    shifted_mask,
)
from steel_defects.evaluation.segmentation import pair_table, sizes_of
from steel_defects.images.folder import SheetFolder
from steel_defects.labels import rle as run_length
from steel_defects.prediction.inference import TestTimeAugmentation
from steel_defects.prediction.predicted_masks import mask_rows, predict_maps
from steel_defects.prediction.sheet_scores import predict_scores
from steel_defects.progress import track
from steel_defects.tables.declared import ROBUSTNESS


@dataclass(frozen=True)
class Judges:
    """The chosen models with their settings; ``gate`` is None where there is none."""

    gate: Any
    segmenter: Any
    point: OperatingPoint | None
    settings: Sequence[ClassPostprocessing]
    tta: TestTimeAugmentation


@dataclass(frozen=True)
class WorseSheets:
    """A folder of sheets that reads every picture at a level of a corruption."""

    folder: SheetFolder
    corruption: str
    level: int
    seed: int

    def read(self, relative_path: str) -> NDArray[np.uint8]:
        """Read a sheet and make it worse."""
        return corrupt(self.folder.read(relative_path), self.corruption, self.level, self.seed)


def robustness_table(
    judges: Judges,
    folder: SheetFolder,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    seed: int,
) -> pd.DataFrame:
    """Judge sheets at every level of every corruption.

    Args:
        judges: The models.
        folder: Where the pictures are.
        sheets: ``sheet_id, path, height, width, has_defect`` of those to judge.
        annotations: ``sheet_id, class_id, rle`` of the defects.
        seed: Of the noise.
    """
    truth = annotations[annotations["sheet_id"].isin(set(sheets["sheet_id"]))]
    # Level 0 is the same for all, and judged once.
    as_is = _row(judges, WorseSheets(folder, "blur", 0, seed), sheets, truth)
    steps = [(name, level) for name in LEVELS for level in range(1, 6)]
    worse = [
        _row(judges, WorseSheets(folder, name, level, seed), sheets, truth)
        for name, level in track(steps, len(steps), "judging worse pictures")
    ]
    rows = [as_is | {"corruption": name} for name in LEVELS] + worse
    table = ROBUSTNESS.typed(rows)
    return table.sort_values(["corruption", "level"], kind="stable", ignore_index=True)


def _row(
    judges: Judges, worse: WorseSheets, sheets: pd.DataFrame, annotations: pd.DataFrame
) -> dict[str, object]:
    paths = sheets["path"].tolist()
    flagged, scores = None, [None] * len(paths)
    if judges.point is not None:
        outputs = predict_scores(judges.gate, worse, paths)
        calibrated = scale_scores(outputs, judges.point.temperature, judges.point.bias)
        flagged, scores = calibrated >= judges.point.lower_threshold, calibrated.tolist()
    found = predict_maps(judges.segmenter, worse, paths, tta=judges.tta)
    rows = [
        (sheet_id, class_id, rle)
        for sheet_id, score, maps in zip(sheets["sheet_id"], scores, found, strict=True)
        for class_id, rle, _, _ in mask_rows(maps, judges.settings, score)
    ]
    predictions = pd.DataFrame(rows, columns=["sheet_id", "class_id", "rle"])
    pairs = pair_table(predictions, _moved(annotations, sheets, worse), sheets)
    labels = sheets["has_defect"].to_numpy(bool)
    return robustness_row(worse.corruption, worse.level, labels, flagged, pairs)


def _moved(annotations: pd.DataFrame, sheets: pd.DataFrame, worse: WorseSheets) -> pd.DataFrame:
    """Move the truth with the picture."""
    if worse.corruption != "shift" or not worse.level:
        return annotations
    sizes = sizes_of(sheets)
    moved = [
        run_length.encode(
            shifted_mask(run_length.decode(rle, *sizes[sheet_id]), "shift", worse.level)
        )
        for sheet_id, rle in annotations[["sheet_id", "rle"]].itertuples(index=False, name=None)
    ]
    return annotations.assign(rle=pd.Series(moved, index=annotations.index, dtype="str"))
