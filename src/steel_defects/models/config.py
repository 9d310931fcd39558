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
    """

    name: BackboneName
    weights: str = "imagenet"
    alpha: float = Field(default=1.0, gt=0)


class HeadConfig(Config):
    """The dense layers that turn features into a score."""

    units: tuple[PositiveInt, ...]
    dropout: float = Field(ge=0, lt=1)


class UNetConfig(Config):
    """Filters of the U-Net's stages, from half resolution downwards, and its dropout.

    No more than five stages: sheets are padded to multiples of ``models.inference.STRIDE``.
    """

    filters: tuple[PositiveInt, ...] = Field(min_length=2, max_length=5)
    dropout: float = Field(default=0.0, ge=0, lt=1)
