"""The convolutional backbones, most of them from ``keras.applications``, on gray sheets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from zipfile import BadZipFile

import keras
import numpy as np
from keras import applications, initializers, layers, ops
from numpy.typing import NDArray

from steel_defects.errors import SteelDefectsError
from steel_defects.models.config import BackboneConfig
from steel_defects.models.efficientnet_lite import EFFICIENTNET_LITE

InputSize = tuple[int | None, int | None]

_LEAST_STD = 1e-3  # keeps a channel that hardly varies from being blown up
_CAFFE = (103.939, 116.779, 123.68)
_DEVIATION = (0.229, 0.224, 0.225)  # of ImageNet's channels, of values 0 to 1
_IMAGENET_CLASSES = 1000
_DEPTHWISE_VARIANCE = 0.25  # of a response to values of variance 1; He's is 2


@dataclass(frozen=True)
class _Family:
    """How a backbone is built and what its ImageNet weights expect."""

    build: Callable[..., keras.Model]
    scale: float = 1.0  # factor on gray values between 0 and 255
    offsets: tuple[float, float, float] = (0.0, 0.0, 0.0)  # what is then subtracted, by channel
    dense: tuple[int, ...] = ()  # widths of the dense layers in front of ImageNet's classes
    cells: int = 1  # of the last feature maps that these see; 1 where maps are averaged


_FAMILIES = {
    "resnet50": _Family(applications.ResNet50, offsets=_CAFFE),
    "vgg16": _Family(applications.VGG16, offsets=_CAFFE, dense=(4096, 4096), cells=7 * 7),
    # EfficientNet scales its input itself.
    "efficientnet_b0": _Family(applications.EfficientNetB0),
    "mobilenet_v2": _Family(applications.MobileNetV2, 1 / 127.5, (1.0, 1.0, 1.0)),
} | {name: _Family(build, 1 / 128, (127 / 128,) * 3) for name, build in EFFICIENTNET_LITE.items()}


# === Building ===


def build_backbone(
    config: BackboneConfig,
    input_size: InputSize,
    seed: int,
    weights_dir: Path | None = None,
    orientations: Sequence[int] = (0,),
    layer: str | None = None,
) -> keras.Model:
    """Build a backbone that maps gray sheets to feature maps.

    Sides of ``input_size``, height and width in pixels, may be None for any; ``orientations`` are
    the mirrored ones of each sheet that it looks at, as ``images.orientations`` has them;
    ``layer`` is the last one, None for all.

    Returns:
        Model from ``(batch, height, width, 1)``, values 0 to 255, to the last feature maps of
        all sheets in the first orientation, then in the second, ….

    Raises:
        SteelDefectsError: The weights are missing or belong to another architecture, or there is
            no such layer.
    """
    trunk = build_trunk(config, input_size)
    if config.weights == "none":
        _draw_initial_weights(trunk, seed)
    else:
        _load_weights(trunk, config, weights_dir)
    if layer is not None:
        trunk = _up_to(trunk, layer)
    sheet = keras.Input((*input_size, 1), name="sheet")
    seen = in_orientations(sheet, orientations)
    return keras.Model(sheet, trunk(to_channels(seen, config)), name=config.name)


def _up_to(trunk: keras.Model, layer: str) -> keras.Model:
    names = [one.name for one in trunk.layers]
    if layer not in names:
        near = get_close_matches(layer, names, n=3) or names[-3:]
        raise SteelDefectsError(
            f"head.layer: {trunk.name.removesuffix('_trunk')} has no layer {layer}; "
            f"near it are {', '.join(near)}"
        )
    return keras.Model(trunk.input, trunk.get_layer(layer).output, name=trunk.name)


def in_orientations(sheets: keras.KerasTensor, orientations: Sequence[int]) -> keras.KerasTensor:
    """Return sheets, ``(batch, height, width, 1)``, in one mirrored orientation after the other."""
    turned = []
    for orientation in orientations:
        turned.append(sheets)
        for axis, bit in ((1, 2), (2, 1)):  # one at a time: OpenVINO reads no flip of two axes
            if orientation & bit:
                turned[-1] = ops.flip(turned[-1], axis=axis)
    return ops.concatenate(turned, axis=0) if len(turned) > 1 else turned[0]


def build_trunk(config: BackboneConfig, input_size: InputSize) -> keras.Model:
    """Build a backbone without its top, as published: three channels in, and all of its stages."""
    shape = (*input_size, 3)
    return _build(config, weights=None, input_shape=shape, name=f"{config.name}_trunk")


def _build(config: BackboneConfig, **options: object) -> keras.Model:
    width = {"alpha": config.alpha} if config.name == "mobilenet_v2" else {}
    return _FAMILIES[config.name].build(include_top=False, **options, **width)


def to_channels(sheet: keras.KerasTensor, config: BackboneConfig) -> keras.KerasTensor:
    """Turn gray values, ``(batch, height, width, 1)``, 0 to 255, into the expected channels."""
    family = _FAMILIES[config.name]
    # From scratch a network of He's initialisation wants values of about 1: with VGG16's ±120 it
    # would begin certain of everything.
    scratch = config.weights == "none" and config.name != "efficientnet_b0"
    scale, offsets = (1 / 64, (2.0,) * 3) if scratch else (family.scale, family.offsets)
    scaled = ops.multiply(sheet, scale)
    return ops.concatenate([ops.subtract(scaled, o) for o in offsets], axis=-1)


def parameters_with_top(name: str, parameters: int, channels: int) -> int:
    """Count the parameters of a backbone with its 1,000 classes of ImageNet, as Keras does.

    ``parameters`` are those without the top, ``channels`` those of the last feature maps.
    """
    family = _FAMILIES[name]
    width = channels * family.cells
    for units in (*family.dense, _IMAGENET_CLASSES):
        parameters += (width + 1) * units
        width = units
    return parameters


# === Weights ===


def _draw_initial_weights(trunk: keras.Model, seed: int) -> None:
    """Prepare a trunk to be trained from scratch in few steps.

    Kernels are redrawn for ReLU networks (He et al. 2015, arXiv:1502.01852): VGG16 has no batch
    norm, and its default initialisation lets the signal vanish. Depthwise ones are drawn for the
    one channel that each sees, and small: what a block adds to its input stays below that. Batch
    norm averages over fewer steps, since its default memory of a hundred outlasts a short training.
    """
    for number, layer in enumerate(trunk.layers):
        if type(layer) is layers.Conv2D:
            draw = initializers.HeNormal(seed=seed + number)
            layer.kernel.assign(draw(layer.kernel.shape))
        if isinstance(layer, layers.DepthwiseConv2D):
            scale = _DEPTHWISE_VARIANCE * layer.kernel.shape[2]  # Keras counts all channels
            draw = initializers.VarianceScaling(scale, seed=seed + number)
            layer.kernel.assign(draw(layer.kernel.shape))
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.9


def has_batch_norm(trunk: keras.Model) -> bool:
    """Say whether any layer normalises its input over the batch."""
    return any(isinstance(layer, layers.BatchNormalization) for layer in trunk.layers)


def freeze_batch_norm(model: keras.Model) -> None:
    """Let no layer learn the statistics of batches."""
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = False


def standardise_activations(trunk: keras.Model, batch: NDArray[np.float32]) -> None:
    """Scale and shift each convolution so that its channels have mean 0 and variance 1 on a batch.

    A deep plain network passes little but the mean of its input from a random start, and takes
    hundreds of steps to find the rest (Salimans and Kingma 2016, arXiv:1602.07868, section 3;
    Mishkin and Matas 2016, arXiv:1511.06422).

    The trunk is a chain of layers, such as VGG16, and its convolutions have biases. The batch is
    what it is to be fed with, of shape ``(batch, height, width, channels)``.
    """
    x = ops.convert_to_tensor(batch)
    for layer in trunk.layers[1:]:
        if isinstance(layer, layers.Conv2D):
            _standardise(layer, x)
        x = layer(x)


def _standardise(layer: layers.Conv2D, x: keras.KerasTensor) -> None:
    kernel = ops.cast(layer.kernel, x.dtype)
    response = ops.convert_to_numpy(ops.conv(x, kernel, layer.strides, layer.padding))
    response = response.astype(np.float32)
    mean = response.mean(axis=(0, 1, 2))
    std = np.maximum(response.std(axis=(0, 1, 2)), _LEAST_STD)
    layer.kernel.assign(ops.convert_to_numpy(layer.kernel) / std)
    layer.bias.assign(-mean / std)


def _load_weights(trunk: keras.Model, config: BackboneConfig, weights_dir: Path | None) -> None:
    """Load ImageNet weights by name, or weights from a file."""
    if config.weights == "imagenet":
        try:
            trunk.set_weights(_build(config, weights="imagenet").get_weights())
        except SteelDefectsError:
            raise
        except Exception as error:  # keras raises a bare Exception when the download fails
            raise SteelDefectsError(
                f"cannot get the ImageNet weights of {config.name} ({error}); set the backbone's "
                "or encoder's weights to a file in weights_dir, or to 'none'"
            ) from error
    else:
        _load_file(trunk, config, Path(weights_dir or ".") / config.weights)
    _take_input_as_published(trunk)


def _load_file(trunk: keras.Model, config: BackboneConfig, path: Path) -> None:
    if not path.is_file():
        raise SteelDefectsError(
            f"no weights of {config.name} at {path}; set weights_dir, or the backbone's or "
            "encoder's weights to 'imagenet' or 'none'"
        )
    try:
        trunk.load_weights(path)
    except (ValueError, OSError, BadZipFile) as error:
        raise SteelDefectsError(
            f"{path} does not hold weights of {config.name} (alpha {config.alpha}): "
            f"{str(error).splitlines()[0]}"
        ) from error


def _take_input_as_published(trunk: keras.Model) -> None:
    """Let EfficientNet see its input as its ImageNet weights expect it.

    Keras divides by the root of the deviation once more behind the normalisation, in a layer that
    it builds for ``weights="imagenet"`` alone; a variance that is larger by as much does the same.
    And a normalisation that is given statistics takes them up only when it is told to.
    """
    for layer in trunk.layers:
        if isinstance(layer, layers.Normalization):
            if ops.any(layer.adapt_mean != 0):  # without any it was fitted from nothing
                layer.adapt_variance.assign(ops.multiply(layer.adapt_variance, _DEVIATION))
            layer.finalize_state()
