"""Initial weights from the training sheets."""

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from steel_defects.images.reading import resize
from steel_defects.models.backbones import to_channels
from steel_defects.training.config import BackboneTraining, ClassificationConfig
from steel_defects.training.data.labelled_sheets import LabelledSheets

_LEAST_STD = 1e-3  # keeps a channel that hardly varies from being blown up
_SAMPLE = 16  # sheets that initial weights are fitted to


def has_batch_norm(trunk: keras.Model) -> bool:
    """Say whether any layer normalises its input over the batch."""
    return any(isinstance(layer, layers.BatchNormalization) for layer in trunk.layers)


def standardise_activations(trunk: keras.Model, batch: NDArray[np.float32]) -> None:
    """Scale and shift each convolution so that its channels have mean 0 and variance 1 on a batch.

    A deep plain network passes little but the mean of its input from a random start, and takes
    hundreds of steps to find the rest (Salimans and Kingma 2016, arXiv:1602.07868, section 3;
    Mishkin and Matas 2016, arXiv:1511.06422).

    Args:
        trunk: A chain of layers, such as VGG16; convolutions have biases. Changed in place.
        batch: What it is to be fed with, of shape ``(batch, height, width, channels)``.
    """
    x = ops.convert_to_tensor(batch)
    for layer in trunk.layers[1:]:
        if isinstance(layer, layers.Conv2D):
            _standardise(layer, x)
        x = layer(x)


def _standardise(layer: layers.Conv2D, x: keras.KerasTensor) -> None:
    response = ops.convert_to_numpy(
        ops.conv(x, ops.cast(layer.kernel, x.dtype), layer.strides, layer.padding)
    ).astype(np.float32)
    mean = response.mean(axis=(0, 1, 2))
    std = np.maximum(response.std(axis=(0, 1, 2)), _LEAST_STD)
    layer.kernel.assign(ops.convert_to_numpy(layer.kernel) / std)
    layer.bias.assign(-mean / std)


def fit_initial_weights(
    model: keras.Model,
    training: LabelledSheets,
    config: ClassificationConfig,
    own: BackboneTraining,
) -> None:
    """Fit the initial weights of a backbone without batch norm to some training sheets."""
    trunk = model.get_layer(f"{model.name}_trunk")
    if has_batch_norm(trunk):
        return
    chosen = np.random.default_rng(config.seed).permutation(len(training.sheets))[:_SAMPLE]
    paths = training.sheets["path"].iloc[sorted(chosen)]
    sheets = [resize(training.folder.read(path), config.input_size) for path in paths]
    batch = np.stack(sheets).astype(np.float32)[..., None]
    channels = keras.ops.convert_to_numpy(to_channels(batch, own.backbone))
    standardise_activations(trunk, channels)
