"""Parameters of training; free of Keras."""

from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from steel_defects.config import Config
from steel_defects.models.config import (
    ArchitectureName,
    BackboneConfig,
    BackboneName,
    HeadConfig,
    ModelName,
    split_names,
)

Precision = Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"]
RegionLoss = Literal["dice", "sheet_dice", "focal_tversky"]
Devices = Literal[1, "all"]
Side = Annotated[int, Field(ge=32)]  # pixels; the backbones take no less


class TrainingConfig(Config):
    """How a network is fitted.

    Attributes:
        seed: Decides weights, order and augmentation.
        epochs: Passes over the training part.
        batch_size: Examples per step.
        learning_rate: Highest rate; it warms up to there and falls along a cosine to a hundredth.
        weight_decay: Of AdamW.
        patience: Epochs without a better validation result after which training stops.
        precision: Arithmetic; ``auto`` takes bfloat16 where the machine is faster with it.
        deterministic: Gives the same result each time, at some cost in speed.
        eager: Run steps without compiling them first, which pays for a handful of steps only.
        devices: 1, or ``all`` to spread each batch over all devices of the machine.
        brightness: Largest change of brightness, as a share of the range.
        cache: Whether decoded sheets are kept on disk, one byte per pixel.
        keep_last: Keep the weights of the last epoch whatever validation says, and let patience be;
            for data sets with too few validation sheets to choose an epoch by.
    """

    seed: int = Field(ge=0)
    epochs: PositiveInt
    batch_size: PositiveInt
    learning_rate: PositiveFloat
    weight_decay: float = Field(default=1e-4, ge=0)
    patience: PositiveInt
    precision: Precision = "auto"
    deterministic: bool = True
    eager: bool = False
    devices: Devices = 1
    brightness: float = Field(default=0.1, ge=0, lt=1)
    cache: bool = False
    keep_last: bool = False

    @property
    def loader_threads(self) -> int:
        """Threads that read examples: one from the cache, otherwise 0, for one per core.

        Examples from the cache cost little but Python's work, at which threads hinder each other.
        """
        return int(self.cache)


class BackboneTraining(Config):
    """What a backbone does differently from ``classification``; see ClassificationConfig."""

    backbone: BackboneConfig
    head: HeadConfig | None = None
    weight_decay: float | None = Field(default=None, ge=0)
    epochs: PositiveInt | None = None
    batch_size: PositiveInt | None = None
    learning_rate: PositiveFloat | None = None
    input_size: tuple[Side, Side] | None = None


class ClassificationConfig(TrainingConfig):
    """How the classifiers are fitted.

    Attributes:
        input_size: Height and width of the network's input, pixels; 32 at least.
        head: Dense layers after the backbone.
        frozen_epochs: First epochs, in which only the head learns; for pre-trained weights.
        fine_tuning_rate: Learning rate after them, as a share of the first; 0 for none.
        mask_loss_weight: Weight of the auxiliary loss that says where the defect is; 0 for none.
    """

    input_size: tuple[Side, Side]
    head: HeadConfig
    frozen_epochs: int = Field(default=0, ge=0)
    fine_tuning_rate: float = Field(default=0.1, ge=0)
    mask_loss_weight: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _learns(self) -> Self:
        if not self.frozen_epochs and not self.fine_tuning_rate:
            raise ValueError("frozen_epochs and fine_tuning_rate are both 0: nothing would learn")
        return self


class CrossValidationConfig(Config):
    """Into how many folds sheets are divided, how often, and which models are trained on them.

    Attributes:
        folds: Parts that the groups are divided into; a model is trained once for each.
        repeats: Divisions, each drawn anew; an entry each in the ``fold`` column of ``splits``.
        models: Names of backbones; none for no cross-validation.
        validation_share: Part of a fold's training sheets that tunes instead.
    """

    folds: int = Field(ge=2)
    repeats: PositiveInt
    models: Annotated[tuple[BackboneName, ...], BeforeValidator(split_names)] = ()
    validation_share: float = Field(default=0.15, gt=0, lt=1)


class SegmenterCrossValidationConfig(Config):
    """Which segmenters are cross-validated on the folds of ``splits``, and how.

    Attributes:
        architectures: Names of architectures; none for no cross-validation.
        repeats: Divisions into folds to go through; at most those of ``cross_validation``.
        epochs_share: Epochs of a fold's training, as a share of the final one's.
        validation_share: Part of a fold's training sheets that tunes instead.
        tune_out_of_fold: Whether out-of-fold maps tune post-processing, all but those of test
            sheets that of the final segmenter, and those of the other folds that of each fold;
            validation sheets do otherwise. For data sets with too few of these.
    """

    architectures: Annotated[tuple[ArchitectureName, ...], BeforeValidator(split_names)] = ()
    repeats: PositiveInt = 1
    epochs_share: float = Field(default=1.0, gt=0)
    validation_share: float = Field(default=0.15, gt=0, lt=1)
    tune_out_of_fold: bool = False


class LearningCurveConfig(Config):
    """Which models are trained on shares of the sheets, to see how many more would help.

    Attributes:
        models: Names of backbones and architectures, also of such that are not trained otherwise; a
            list, or a text with blanks between the names; none for no learning curve.
        shares: Of the groups of sheets that the first fold of ``splits`` leaves; each share is part
            of the next one.
        seeds: Trainings on each share; every seed draws shares of its own.
    """

    models: Annotated[tuple[ModelName, ...], BeforeValidator(split_names)] = ()
    shares: Annotated[
        tuple[Annotated[float, Field(gt=0, le=1)], ...],
        AfterValidator(lambda shares: tuple(sorted(set(shares)))),
    ] = Field(default=(0.25, 0.5, 0.75, 1.0), min_length=1)
    seeds: PositiveInt = 2


class SegmentationConfig(TrainingConfig):
    """How the segmenters are fitted.

    Attributes:
        warmup_share: Part of the steps that the warm-up takes.
        ema_momentum: Share of the weights' running average that a step keeps; the averages are
            measured on validation and are the result. 0 for the weights themselves.
        transposes: Whether rows and columns are swapped too, where the picture is square; only for
            steel whose defects lie in any direction.
        contrast: Largest change of contrast, as a share.
        steps_per_epoch: Batches of tiles that an epoch shows; they are drawn anew for each.
        defect_tile_share: Probability that a tile or window is drawn for a defect; the classes that
            occur share it evenly, however rare they are.
        clean_tile_share: Probability that a tile is drawn from those without a defect; the rest
            comes from all tiles.
        copy_paste_share: Share of the tiles or windows into which defects of another sheet are
            pasted.
        zoom: Largest change of a tile's size, as a share; the same factor up as down.
        rotation_degrees: Largest rotation of a tile about its centre, either way.
        shift: Farthest that a tile is moved either way, as a share of its height and width.
        noise: Largest standard deviation of what is added to each pixel, in gray levels.
        bce_weight: Weight of binary cross-entropy; the loss of regions gets the rest of 1.
        region_loss: Loss of regions; ``dice`` or ``focal_tversky`` of each class over a batch, or
            ``sheet_dice``, of each tile and class, where absent classes count a sixth.
        class_weights: How much more a class counts in cross-entropy; none for once each.
        positive_weights: How much more a defective pixel counts in cross-entropy, by class; none
            for once each.
        coarse_loss: Whether masks are compared at the resolution of the network's last features,
            not at that of the sheet.
        windows_per_sheet: 0 for the tiles of data engineering; otherwise windows of their size are
            cut at random places instead, so many from a sheet once it is decoded.
    """

    warmup_share: float = Field(default=0.1, ge=0, lt=1)
    ema_momentum: float = Field(default=0.0, ge=0, lt=1)
    transposes: bool = False
    contrast: float = Field(default=0.1, ge=0, lt=1)
    steps_per_epoch: PositiveInt
    defect_tile_share: float = Field(default=0.7, ge=0, le=1)
    clean_tile_share: float = Field(default=0.0, ge=0, le=1)
    copy_paste_share: float = Field(default=0.0, ge=0, le=1)
    zoom: float = Field(default=0.0, ge=0, le=1)
    rotation_degrees: float = Field(default=0.0, ge=0, le=180)
    shift: float = Field(default=0.0, ge=0, lt=1)
    noise: float = Field(default=0.0, ge=0, le=64)
    bce_weight: float = Field(default=0.5, ge=0, le=1)
    region_loss: RegionLoss = "dice"
    class_weights: tuple[PositiveFloat, ...] = ()
    positive_weights: tuple[PositiveFloat, ...] = ()
    coarse_loss: bool = False
    windows_per_sheet: NonNegativeInt = 0

    @model_validator(mode="after")
    def _draws_each_tile_once(self) -> Self:
        if self.defect_tile_share + self.clean_tile_share > 1:
            raise ValueError("defect_tile_share and clean_tile_share are more than 1 together")
        if self.clean_tile_share and self.windows_per_sheet:
            raise ValueError("clean_tile_share is of tiles: leave it 0, or windows_per_sheet")
        return self
