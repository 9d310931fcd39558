"""Which network to build; free of Keras, so that reading parameters stays fast."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, Literal, Self, get_args

from pydantic import BeforeValidator, ConfigDict, Field, PositiveInt, RootModel, model_validator

from steel_defects.config import Config
from steel_defects.images.orientations import FLIPS, HALF_TURN

#: Sheets are padded to multiples of this, pixels, unless a segmenter has a larger stride.
STRIDE = 32

BackboneName = Literal[
    "resnet50", "vgg16", "efficientnet_b0", "mobilenet_v2", "efficientnet_lite0",
    "efficientnet_lite2",
]  # fmt: skip
BACKBONES: tuple[str, ...] = get_args(BackboneName)
#: Those that spend their time in a few large convolutions.
PLAIN_BACKBONES = ("vgg16",)
#: Those that convolve each channel by itself.
DEPTHWISE_BACKBONES = (
    "efficientnet_b0", "mobilenet_v2", "efficientnet_lite0", "efficientnet_lite2",
)  # fmt: skip

BackboneUNetName = Literal[
    "unet_resnet50", "unet_vgg16", "unet_efficientnet_b0", "unet_mobilenet_v2",
    "unet_efficientnet_lite0", "unet_efficientnet_lite2",
]  # fmt: skip
ArchitectureName = Literal["unet", BackboneUNetName, "fpn", "deeplab_v3_plus"]
ARCHITECTURES: tuple[str, ...] = get_args(ArchitectureName)
ModelName = Literal[BackboneName, ArchitectureName]


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

    @property
    def start(self) -> str:
        """What it is before any training, in words."""
        known = {"imagenet": "ImageNet weights", "none": "random weights"}
        return known.get(self.weights, self.weights)


#: Sets of mirrored orientations of a sheet.
SheetOrientations = Literal["one", "half_turn", "flips"]
#: What a head keeps of a feature map.
Statistic = Literal["mean", "max", "std", "top"]


class HeadConfig(Config):
    """The dense layers that turn features into a score.

    Attributes:
        units: Outputs of each layer.
        dropout: Share of the inputs that is dropped before each, in training.
        top_share: Share of the cells of a feature map, those that respond most, whose mean is the
            statistic ``top``.
        layer: Of the backbone, whose feature maps it sees; what follows is left out. None for the
            last one.
        statistics: Of each feature map: its mean, maximum, standard deviation, and the
            mean of its highest responses.
        orientations: Of a sheet, over which these are averaged: to the mill they are one sheet, to
            a backbone they are not. ``one``, as it lies; ``half_turn``, turned by 180 degrees, too,
            at twice the cost; ``flips``, all four mirrored ones, at four times.
        asked_orientations: Those of the finished classifier; None for the same. Fewer cost less,
            and what all of them taught the head is not lost.
    """

    units: tuple[PositiveInt, ...]
    dropout: float = Field(ge=0, lt=1)
    top_share: float = Field(default=0.01, gt=0, le=1)
    layer: str | None = None
    statistics: tuple[Statistic, ...] = Field(default=("mean", "max"), min_length=1)
    orientations: SheetOrientations = "one"
    asked_orientations: SheetOrientations | None = None

    @property
    def turns(self) -> Sequence[int]:
        """The orientations by number; see :func:`steel_defects.images.orientations.oriented`."""
        return {"one": (0,), "half_turn": HALF_TURN, "flips": FLIPS}[self.orientations]

    @property
    def finished(self) -> "HeadConfig":
        """The head of the finished classifier; its weights are the same."""
        asked = self.asked_orientations or self.orientations
        return self.model_copy(update={"orientations": asked})


class EncoderConfig(BackboneConfig):
    """A backbone of the classifier as the encoder of a segmenter.

    Attributes:
        name: The backbone.
        weights: ``imagenet``, ``none`` (from scratch), or a file in the weights folder. Batch norm
            of weights that are loaded stays as it is.
        learning_rate_factor: Share of the learning rate at which it learns.
    """

    learning_rate_factor: float = Field(default=1.0, gt=0, le=1)


class _NetworkConfig(Config):
    """What all segmenters have.

    Attributes:
        dropout: Share of the channels that a step of the training leaves out; of a U-Net's coarsest
            features, of others' before the exit or after the pyramid.
        presence_head: Whether the model has a second output, the probability that each class occurs
            anywhere in its input.
    """

    dropout: float = Field(default=0.0, ge=0, lt=1)
    presence_head: bool = False

    @abstractmethod
    def _strides(self) -> tuple[int, int]: ...

    @property
    def stride(self) -> int:
        """What the input's height and width must be multiples of, pixels; at most 2 × STRIDE."""
        return self._strides()[0]

    @property
    def finest_stride(self) -> int:
        """Pixels between the cells of the features from which masks are made."""
        return self._strides()[1]

    @property
    def auxiliary_strides(self) -> tuple[int, ...]:
        """Pixels between the cells of each mask of deep supervision, from the finest on."""
        return ()

    @property
    def plain_convolutions(self) -> bool:
        """Whether it spends its time in plain convolutions, not in depthwise ones."""
        return self._encoder is None or self._encoder.name not in DEPTHWISE_BACKBONES

    @property
    def start(self) -> str:
        """What it is before any training, in words."""
        return self._encoder.start if self._encoder else "random weights"

    @property
    def _encoder(self) -> EncoderConfig | None:
        return getattr(self, "encoder", None)


class _UNetConfig(_NetworkConfig):
    """What all U-Nets have.

    Attributes:
        residual: Whether stages add what they compute to their input (He et al. 2016).
        deep_supervision: Whether the training asks coarser stages of the decoder, too, for masks
            (Lee et al. 2015, arXiv:1409.5185); what they answer with is no part of the model.
    """

    residual: bool = False
    deep_supervision: bool = False

    @property
    def auxiliary_strides(self) -> tuple[int, ...]:
        """Pixels between the cells of each mask of deep supervision, from the finest on."""
        doublings = (self.stride // self.finest_stride).bit_length() - 1
        levels = range(1, doublings) if self.deep_supervision else ()
        return tuple(self.finest_stride * 2**level for level in levels)


class UNetConfig(_UNetConfig):
    """A U-Net.

    Attributes:
        name: The architecture.
        filters: Of each stage, from the resolution of the stem downwards.
        stem_stride: 2 for stages from half the resolution downwards, at a third of the cost; 1 for
            full resolution.
    """

    name: Literal["unet"] = "unet"
    filters: tuple[PositiveInt, ...] = Field(min_length=2, max_length=5)
    stem_stride: Literal[1, 2] = 2

    def _strides(self) -> tuple[int, int]:
        return self.stem_stride * 2 ** (len(self.filters) - 1), self.stem_stride


class BackboneUNetConfig(_UNetConfig):
    """A U-Net that encodes with a backbone.

    Attributes:
        name: ``unet_`` and the name of the backbone.
        encoder: The backbone.
        input_shrink: 2 to average the sheet to half its size first, at a quarter of the cost and
            with twice the field of view.
        filters: Of the decoder's stages at a half, a quarter, an eighth and a 16th of the
            resolution at which the backbone sees the sheet.
    """

    name: BackboneUNetName
    encoder: EncoderConfig
    input_shrink: Literal[1, 2] = 1
    filters: tuple[PositiveInt, ...] = Field(min_length=4, max_length=4)

    @model_validator(mode="after")
    def _is_named_after_its_encoder(self) -> Self:
        if self.name != f"unet_{self.encoder.name}":
            raise ValueError(f"{self.name} can't encode with {self.encoder.name}")
        return self

    def _strides(self) -> tuple[int, int]:
        return 32 * self.input_shrink, 2 * self.input_shrink


class _EncodedConfig(_NetworkConfig):
    """Segmenters that encode from scratch or with a backbone.

    Attributes:
        filters: Of the residual stages of an encoder from scratch, from half the resolution
            downwards, as in the U-Net.
        encoder: A backbone in their place.
    """

    filters: tuple[PositiveInt, ...]
    encoder: EncoderConfig | None = None


class FPNConfig(_EncodedConfig):
    """A feature pyramid; a backbone goes down to a 32nd of the resolution.

    Attributes:
        name: The architecture.
        filters: From half the resolution downwards, the last 32 pixels a cell at most.
        pyramid_filters: Of each level of the pyramid; published with 256.
        head_filters: Of the decoder; published with 128.
    """

    name: Literal["fpn"] = "fpn"
    filters: tuple[PositiveInt, ...] = Field(min_length=3, max_length=5)
    pyramid_filters: PositiveInt = 256
    head_filters: PositiveInt = 128

    def _strides(self) -> tuple[int, int]:
        return 2 ** (5 if self.encoder else len(self.filters)), 4


class DeepLabConfig(_EncodedConfig):
    """A DeepLabV3+ whose coarsest features, those of a backbone too, are at a 16th of the size.

    Attributes:
        name: The architecture.
        filters: At a half, a quarter, an eighth and a 16th of the resolution; a fifth stays at a
            16th and is atrous.
        rates: Cells between the taps of each atrous convolution of the pyramid; published with 6,
            12 and 18 for maps of 33×33 cells.
        pyramid_filters: Of each branch of the pyramid; published with 256.
        low_level_filters: To which the features at a quarter are reduced; published with 48.
        head_filters: Of the decoder; published with 256.
    """

    name: Literal["deeplab_v3_plus"] = "deeplab_v3_plus"
    filters: tuple[PositiveInt, ...] = Field(min_length=4, max_length=5)
    rates: tuple[PositiveInt, ...] = Field(default=(6, 12, 18), min_length=1)
    pyramid_filters: PositiveInt = 256
    low_level_filters: PositiveInt = 48
    head_filters: PositiveInt = 256

    def _strides(self) -> tuple[int, int]:
        return 16, 4


Network = UNetConfig | BackboneUNetConfig | FPNConfig | DeepLabConfig


class NetworkConfig(RootModel[Annotated[Network, Field(discriminator="name")]]):
    """A segmenter's network, which its ``name`` tells."""

    model_config = ConfigDict(frozen=True)


def split_names(value: object) -> object:
    """Take a text with blanks: the command line gives no lists, its comma ends a parameter."""
    if value is None:
        return ()
    names = value.split() if isinstance(value, str) else value
    return tuple(dict.fromkeys(names)) if isinstance(names, list | tuple) else names


class Backbones(RootModel[Annotated[tuple[BackboneName, ...], BeforeValidator(split_names)]]):
    """The backbones to train: a list, a text with blanks between the names, or none of them."""

    model_config = ConfigDict(frozen=True)


class Models(RootModel[Annotated[tuple[ModelName, ...], BeforeValidator(split_names)]]):
    """Some of both: a list, a text with blanks between the names, or none of them."""

    model_config = ConfigDict(frozen=True)


class Architectures(
    RootModel[Annotated[tuple[ArchitectureName, ...], BeforeValidator(split_names)]]
):
    """The architectures to train: a list, or a text with blanks between the names."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="after")
    def _one_at_least(self) -> Self:
        if not self.root:
            raise ValueError("there must be one at least")
        return self
