"""Whole trainings, from the tables of data engineering; free of Keras at import and of Kedro."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from steel_defects.data.segmenter_only import (
    divided,
    learners,
    need_pictures,
    only_for_segmenters,
    reading_both,
)
from steel_defects.errors import SteelDefectsError
from steel_defects.images.folder import SheetFolder
from steel_defects.images.gray_cache import SheetReader, open_gray_cache
from steel_defects.models.config import BackboneConfig, Network
from steel_defects.models.trained import ClassifierProfile, SegmenterProfile, stamp_of
from steel_defects.prediction.inference import TestTimeAugmentation
from steel_defects.training.config import BackboneTraining, ClassificationConfig, SegmentationConfig

if TYPE_CHECKING:
    from steel_defects.training.labelled_sheets import LabelledSheets
    from steel_defects.training.labelled_tiles import LabelledTiles


@dataclass(frozen=True)
class TrainingData:
    """What trainings read, and where they keep what is not finished.

    The tables are those of data engineering. The cache of gray sheets lies beside the checkpoints.
    """

    folder: SheetFolder
    sheets: pd.DataFrame
    annotations: pd.DataFrame
    splits: pd.DataFrame
    tiles: pd.DataFrame
    checkpoints: Path

    def without_segmenter_only(self) -> "TrainingData":
        """Return the tables without the sheets for segmenters alone, as gates learn from them."""
        names = ("sheets", "annotations", "splits", "tiles")
        tables = {name: getattr(self, name) for name in names}
        rows = {name: divided(table, self.splits) for name, table in tables.items() if len(table)}
        return replace(self, **rows)

    def _reader(self, cache: bool) -> SheetReader:
        alone = only_for_segmenters(self.sheets, self.splits)
        need_pictures(self.folder, alone)
        folder = reading_both(self.folder, alone)
        if not cache:
            return folder
        return open_gray_cache(folder, self.sheets, self.checkpoints.parent / "gray_sheets")

    def labelled_sheets(self, cache: bool) -> "LabelledSheets":
        """Return all sheets with their labels, from a cache if asked to."""
        from steel_defects.training.labelled_sheets import labelled_sheets

        return labelled_sheets(self._reader(cache), self.sheets, self.annotations)

    def labelled_tiles(self, tiles: pd.DataFrame, classes: int, cache: bool) -> "LabelledTiles":
        """Return some of the tiles with their masks, from a cache if asked to."""
        from steel_defects.training.labelled_tiles import labelled_tiles

        return labelled_tiles(self._reader(cache), tiles, self.sheets, self.annotations, classes)


@dataclass(frozen=True)
class ClassifierRecipe:
    """How a classifier is made; its weights may come from a folder of files."""

    backbone: BackboneConfig
    training: ClassificationConfig
    weights_dir: Path | None = None

    @classmethod
    def of(
        cls, shared: ClassificationConfig, changes: BackboneTraining, weights_dir: Path | None
    ) -> "ClassifierRecipe":
        """Join what all backbones share with what one does differently."""
        values = {name: value for name, value in changes if value is not None}
        return cls(values.pop("backbone"), shared.model_copy(update=values), weights_dir)

    @property
    def backbone_learns(self) -> bool:
        """Whether the training changes the backbone, and not its head alone."""
        return self.backbone.weights == "none" or self.training.fine_tuning_rate > 0

    @property
    def content(self) -> list[object]:
        """What a checkpoint belongs to, besides its data; from the cache, pixels are the same."""
        training = self.training.model_dump(exclude={"cache"})
        return [training, self.backbone.model_dump(), self.weights_dir]


@dataclass(frozen=True)
class SegmenterRecipe:
    """How a segmenter is made; predictions are averaged over the orientations of ``tta``."""

    network: Network
    training: SegmentationConfig
    tta: TestTimeAugmentation = "none"
    weights_dir: Path | None = None

    @property
    def content(self) -> list[object]:
        """What a checkpoint belongs to, besides its data; from the cache, pixels are the same."""
        return [self.training.model_dump(exclude={"cache"}), self.network.model_dump()]


@dataclass(frozen=True)
class Fitted:
    """A network with the story of its training, one row per epoch, and the time it took."""

    model: Any
    history: pd.DataFrame
    seconds: float


def need_both_kinds(sheets: pd.DataFrame, out: str = "with --params backbones=") -> None:
    """Refuse sheets that leave a gate nothing to tell apart; ``out`` says how to leave it out.

    Raises:
        SteelDefectsError: Every sheet has a defect, or none.
    """
    kinds = set(sheets["has_defect"])
    if len(kinds) < 2:
        every = "every sheet has" if True in kinds else "no sheet has"
        raise SteelDefectsError(
            f"{every} a defect, so that there is nothing for a gate to tell apart; "
            f"leave it out {out}"
        )


def train_classifier(
    data: TrainingData, recipe: ClassifierRecipe
) -> tuple[Fitted, ClassifierProfile]:
    """Fit one backbone on the training split; returns it and its profile, what it is and took.

    Raises:
        SteelDefectsError: There is nothing to tell apart in the training or the validation split.
    """
    from steel_defects.models.backbones import build_trunk, parameters_with_top
    from steel_defects.training.classification import fit_classifier

    data = data.without_segmenter_only()
    need_both_kinds(data.sheets)
    defective, ids = data.sheets.set_index("sheet_id")["has_defect"], []
    for split in ("train", "validation"):
        ids.append(data.splits.loc[data.splits["split"] == split, "sheet_id"])
        if defective.reindex(ids[-1]).nunique() < 2:
            raise SteelDefectsError(
                f"the {split} split lacks clean or defective sheets, so that there is nothing to "
                "classify; add sheets, or change data_engineering.shares"
            )
    sheets = data.labelled_sheets(recipe.training.cache)
    training, validation = map(sheets.subset, ids)
    fitted = fit_classifier(training, validation, recipe, data.checkpoints / "classification")
    name, model = recipe.backbone.name, fitted.model
    cut = recipe.training.head.layer is not None
    trunk = build_trunk(recipe.backbone, (None, None)) if cut else model.get_layer(f"{name}_trunk")
    with_top = parameters_with_top(name, trunk.count_params(), trunk.output_shape[-1])
    return fitted, ClassifierProfile(
        backbone=name,
        weights=recipe.backbone.weights,
        input_height=model.input_shape[1],
        input_width=model.input_shape[2],
        parameters=model.count_params(),
        parameters_with_top=with_top,
        epochs=len(fitted.history),
        training_seconds=round(fitted.seconds, 1),
        **stamp_of(gate=model),
    )


def train_segmenter(
    data: TrainingData, recipe: SegmenterRecipe, classes: int
) -> tuple[Fitted, SegmenterProfile]:
    """Fit one architecture on the training tiles; returns it and its profile.

    That is what it is and took, and its time for a sheet on the machine that it was trained on.
    Sheets for segmenters alone train it, too, unless they resemble held-out sheets.

    Raises:
        SteelDefectsError: Pictures of sheets for segmenters alone are missing.
    """
    from steel_defects.prediction.predicted_masks import measure_speed
    from steel_defects.training.segmentation import fit_segmenter

    tiles, cache = data.tiles, recipe.training.cache
    learned = (tiles["split"] == "train") | tiles["sheet_id"].isin(learners(data.splits))
    training, validation = (
        data.labelled_tiles(tiles[rows], classes, cache)
        for rows in (learned, tiles["split"] == "validation")
    )
    fitted = fit_segmenter(training, validation, recipe, data.checkpoints / "segmentation")
    sheets = divided(data.sheets, data.splits)
    size = (int(sheets["height"].max()), int(sheets["width"].max()))
    return fitted, SegmenterProfile(
        parameters=fitted.model.count_params(),
        learning_rate=recipe.training.learning_rate,
        epochs=len(fitted.history),
        training_seconds=round(fitted.seconds, 1),
        tta=recipe.tta,
        ms_per_sheet=round(measure_speed(fitted.model, size, tta=recipe.tta), 1),
    )
