"""Whole trainings, from the tables of data engineering; free of Keras at import and of Kedro."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from steel_defects.errors import SteelDefectsError
from steel_defects.images.folder import SheetFolder
from steel_defects.images.gray_cache import SheetReader, reader_of
from steel_defects.models.config import Network
from steel_defects.models.identity import stamp_of
from steel_defects.prediction.inference import TestTimeAugmentation
from steel_defects.training.config import (
    BackboneTraining,
    ClassificationConfig,
    SegmentationConfig,
)

if TYPE_CHECKING:
    from steel_defects.training.classification import FittedClassifier
    from steel_defects.training.data.labelled_sheets import LabelledSheets
    from steel_defects.training.data.labelled_tiles import LabelledTiles
    from steel_defects.training.segmentation import FittedSegmenter

Json = dict[str, Any]


@dataclass(frozen=True)
class TrainingData:
    """What trainings read, and where they keep what is not finished.

    Attributes:
        folder: Where the pictures are.
        sheets: Table of data engineering, one row a sheet.
        annotations: One row a sheet and class with a defect.
        splits: Split, group and folds of each sheet.
        tiles: Windows of the sheets, for segmenters.
        checkpoints: Folder of unfinished trainings; the cache of gray sheets lies beside it.
    """

    folder: SheetFolder
    sheets: pd.DataFrame
    annotations: pd.DataFrame
    splits: pd.DataFrame
    tiles: pd.DataFrame
    checkpoints: Path

    def _reader(self, cache: bool) -> SheetReader:
        cache_dir = self.checkpoints.parent / "gray_sheets" if cache else None
        return reader_of(self.folder, self.sheets, cache_dir)

    def labelled_sheets(self, cache: bool) -> "LabelledSheets":
        """Return all sheets with their labels, from a cache if asked to."""
        from steel_defects.training.data.labelled_sheets import labelled_sheets

        return labelled_sheets(self._reader(cache), self.sheets, self.annotations)

    def labelled_tiles(self, tiles: pd.DataFrame, classes: int, cache: bool) -> "LabelledTiles":
        """Return some of the tiles with their masks, from a cache if asked to."""
        from steel_defects.training.data.labelled_tiles import labelled_tiles

        return labelled_tiles(self._reader(cache), tiles, self.sheets, self.annotations, classes)


def need_both_kinds(sheets: pd.DataFrame) -> None:
    """Refuse sheets that leave a gate nothing to tell apart.

    Raises:
        SteelDefectsError: Every sheet has a defect, or none.
    """
    kinds = set(sheets["has_defect"])
    if len(kinds) < 2:
        every = "every sheet has" if True in kinds else "no sheet has"
        raise SteelDefectsError(
            f"{every} a defect, so that there is nothing for a gate to tell apart; leave it out "
            "with --params backbones="
        )


def train_classifier(
    data: TrainingData, config: ClassificationConfig, own: BackboneTraining, weights_dir: Path
) -> tuple["FittedClassifier", Json]:
    """Fit one backbone on the training split; validation decides when to stop.

    Returns:
        The classifier, and its profile: what it is and what it took.

    Raises:
        SteelDefectsError: There is nothing to tell apart in the training or the validation split.
    """
    from steel_defects.models.original_top import parameters_with_top
    from steel_defects.training import classification

    need_both_kinds(data.sheets)
    _need_both_kinds_in_splits(data)
    part = data.splits.groupby("split")["sheet_id"].apply(list)
    fitted = classification.train_classifier(
        data.labelled_sheets(config.cache), part["train"], part["validation"], config, own,
        str(weights_dir), data.checkpoints / "classification",
    )  # fmt: skip
    name = own.backbone.name
    trunk = fitted.model.get_layer(f"{name}_trunk")
    return fitted, {
        "backbone": name,
        "weights": own.backbone.weights,
        "input_height": fitted.model.input_shape[1],
        "input_width": fitted.model.input_shape[2],
        "parameters": fitted.model.count_params(),
        "parameters_with_top": parameters_with_top(
            name, trunk.count_params(), trunk.output_shape[-1]
        ),
        "epochs": len(fitted.history),
        "training_seconds": round(fitted.seconds, 1),
        **stamp_of(gate=fitted.model),
    }


def _need_both_kinds_in_splits(data: TrainingData) -> None:
    joined = data.splits.merge(data.sheets[["sheet_id", "has_defect"]], on="sheet_id")
    kinds = joined.groupby("split")["has_defect"].nunique()
    for split in ("train", "validation"):
        if kinds.get(split, 0) < 2:
            raise SteelDefectsError(
                f"the {split} split lacks clean or defective sheets, so that there is nothing to "
                "classify; add sheets, or change data_engineering.shares"
            )


def train_segmenter(
    data: TrainingData,
    config: SegmentationConfig,
    network: Network,
    classes: int,
    tta: TestTimeAugmentation = "none",
    weights_dir: Path | None = None,
) -> tuple["FittedSegmenter", Json]:
    """Fit one architecture on the training tiles; validation tiles decide when to stop.

    Returns:
        The segmenter, and its profile: what it is, what it took, and its time for a sheet on the
        machine that it was trained on, averaged over orientations if asked to.
    """
    from steel_defects.training import segmentation

    training, validation = (
        data.labelled_tiles(data.tiles[data.tiles["split"] == split], classes, config.cache)
        for split in ("train", "validation")
    )
    fitted = segmentation.train_segmenter(
        training, validation, config, network, network.name, data.checkpoints / "segmentation",
        str(weights_dir) if weights_dir else None,
    )  # fmt: skip
    size = (int(data.sheets["height"].max()), int(data.sheets["width"].max()))
    return fitted, {
        "parameters": fitted.model.count_params(),
        "learning_rate": config.learning_rate,
        "epochs": len(fitted.history),
        "training_seconds": round(fitted.seconds, 1),
        "tta": tta,
        "ms_per_sheet": round(segmentation.measure_speed(fitted.model, size, tta=tta), 1),
    }
