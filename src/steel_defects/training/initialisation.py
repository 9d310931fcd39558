"""Initial weights from data, for networks without batch norm."""

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

_LEAST_STD = 1e-3  # keeps a channel that hardly varies from being blown up


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
