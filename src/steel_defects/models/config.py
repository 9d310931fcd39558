"""Which network to build; free of Keras, so that reading parameters stays fast."""

from typing import Literal, get_args

from pydantic import Field, PositiveInt

from steel_defects.config import Config

BackboneName = Literal["resnet50", "vgg16", "efficientnet_b0", "mobilenet_v2"]
BACKBONES: tuple[str, ...] = get_args(BackboneName)
#: Those that spend their time in a few large convolutions.
PLAIN_BACKBONES = ("vgg16",)

ArchitectureName = Literal["unet"]
ARCHITECTURES: tuple[str, ...] = get_args(ArchitectureName)


class BackboneConfig(Config):
    """A backbone of the classifier.

    Attributes:
        name: The architecture.
        weights: ``imagenet``, ``none`` (from scratch), or a file in the weights folder.
        alpha: Width of MobileNetV2, as a share of the full one; the others take no notice.
        stride: Pixels between the cells of its last feature maps; 16 leaves out the stages that
            would halve the maps once more.
    """

    name: BackboneName
    weights: str = "imagenet"
    alpha: float = Field(default=1.0, gt=0)
    stride: Literal[16, 32] = 32


class HeadConfig(Config):
    """The dense layers that turn features into a score.

    Attributes:
        units: Outputs of each layer.
        dropout: Share of the inputs that is dropped before each, in training.
        pooling: Where a sheet becomes one row of numbers: ``features`` pools the feature maps and
            judges the sheet as a whole; ``cells`` judges each cell by itself and pools the
            verdicts, so that a small defect counts as much on a large sheet.
        top_share: Share of the cells, those that look most like a defect, whose mean is the
            verdict; for ``cells``.
    """

    units: tuple[PositiveInt, ...]
    dropout: float = Field(ge=0, lt=1)
    pooling: Literal["features", "cells"] = "features"
    top_share: float = Field(default=0.01, gt=0, le=1)


class UNetConfig(Config):
    """A U-Net.

    No more than five stages: sheets are padded to multiples of ``models.inference.STRIDE``.

    Attributes:
        filters: Of each stage, from the resolution of the stem downwards.
        dropout: Share of the lowest stage's channels that a step of the training leaves out.
        stem_stride: 2 for stages from half the resolution downwards, at a third of the cost; 1 for
            full resolution.
        residual: Whether stages add what they compute to their input (He et al. 2016).
        deep_supervision: Whether the training asks coarser stages of the decoder, too, for masks
            (Lee et al. 2015, arXiv:1409.5185); what they answer with is no part of the model.
        presence_head: Whether the model has a second output, the probability that each class occurs
            anywhere in its input.
    """

    filters: tuple[PositiveInt, ...] = Field(min_length=2, max_length=5)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    stem_stride: Literal[1, 2] = 2
    residual: bool = False
    deep_supervision: bool = False
    presence_head: bool = False
