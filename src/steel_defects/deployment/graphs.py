"""Networks as graphs for other runtimes: gray sheets in, and computed in float32."""

from typing import Any

import keras
import numpy as np
from keras import KerasTensor, layers, ops

from steel_defects.models.segmenters import required_stride

#: Channels up to which doubling by a convolution costs less than it saves.
FEW_CHANNELS = 8


def gate_graph(
    gate: keras.Model, input_size: tuple[int, int], sheet_size: tuple[int, int] | None
) -> keras.Model:
    """Put what the product does before its gate into the graph.

    The gate takes gray values, ``(batch, *input_size, 1)``; the graph gray sheets, ``(batch,
    height, width, 1)``, uint8, of ``sheet_size``, a whole multiple of that in pixels, or of any for
    None. Both return the score, ``(batch, 1)``, before calibration.
    """
    sheet = keras.Input((*(sheet_size or (None, None)), 1), dtype="uint8", name="sheet")
    gray = ops.cast(sheet, "float32")
    if sheet_size is None:
        gray = Resize(input_size)(gray)
    elif sheet_size != input_size:
        ratio = (sheet_size[0] // input_size[0], sheet_size[1] // input_size[1])
        gray = ReduceByArea(ratio)(gray)
    return keras.Model(sheet, as_float32(gate)(gray, training=False), name="gate")


def segmenter_graph(segmenter: keras.Model) -> keras.Model:
    """Put what the product does around its segmenter into the graph.

    The graph takes gray sheets of any size, ``(batch, height, width, 1)``, uint8, and returns what
    the segmenter does, with maps of the size of the sheets.
    """
    sheet = keras.Input((None, None, 1), dtype="uint8", name="sheet")
    gray = ops.cast(PadToStride(required_stride(segmenter))(sheet), "float32")
    outputs = as_float32(segmenter)(gray, training=False)
    maps, *presence = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    maps = CropLike()(maps, sheet)
    return keras.Model(sheet, [maps, *presence] if presence else maps, name="segmenter")


def as_float32(model: keras.Model, faster: bool = True) -> keras.Model:
    """Copy a functional model so that it computes in float32, though trained in bfloat16.

    ``faster`` replaces layers that runtimes are slow at by equal ones.
    """
    smooth, repeats = _smooth_doublings(model) if faster else (set(), set())

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        if not isinstance(layer, layers.Layer):  # a plain operation, which takes what comes
            return layer.__class__.from_config(layer.get_config())
        if layer.name in repeats:
            return layers.Identity(name=layer.name)
        if layer.name in smooth:
            return DoubleSmoothly(name=layer.name)
        if faster and _repeats_pixels(layer):
            return RepeatPixels(name=layer.name)
        if isinstance(layer, keras.Model):
            return as_float32(layer, faster)
        return layer.__class__.from_config({**layer.get_config(), "dtype": "float32"})

    clone = keras.models.clone_model(model, clone_function=copy)
    clone.set_weights(model.get_weights())
    return clone


def _smooth_doublings(model: keras.Model) -> tuple[set[str], set[str]]:
    """Find pairs of layers that double by repetition, then average over 3×3; see ``models.stages``.

    Returns the names of the averaging layers, and of the repeating ones before them.
    """
    averages, repeats = set(), set()
    for layer in model.layers:
        if not isinstance(layer, layers.AveragePooling2D):
            continue
        before = layer.input._keras_history.operation
        used_once = len(before._outbound_nodes) == 1
        fits = layer.pool_size == (3, 3) and tuple(layer.strides) == (1, 1)
        fits = fits and layer.padding == "same" and layer.input.shape[-1] <= FEW_CHANNELS
        if fits and used_once and _repeats_pixels(before):
            averages.add(layer.name)
            repeats.add(before.name)
    return averages, repeats


def _repeats_pixels(layer: keras.layers.Layer) -> bool:
    doubles = isinstance(layer, layers.UpSampling2D) and tuple(layer.size) == (2, 2)
    return doubles and layer.interpolation == "nearest"


# === Layers ===


Shape = tuple[int | None, ...]


class ReduceByArea(layers.Layer):
    """Averages blocks of pixels and rounds, like ``images.reading.resize`` at whole ratios."""

    def __init__(self, ratio: tuple[int, int], **options: Any) -> None:
        super().__init__(**options)
        self.ratio = ratio

    def call(self, x: KerasTensor) -> KerasTensor:
        """Reduce gray values, ``(batch, height, width, 1)``."""
        means = ops.average_pool(x, self.ratio, self.ratio)
        # OpenCV rounds halves up where it reduces to a half, and elsewhere to even numbers.
        return ops.floor(means + 0.5) if self.ratio == (2, 2) else ops.round(means)


class Resize(layers.Layer):
    """Resizes sheets of any size and rounds, like ``images.reading.resize``.

    Rows and columns are mixed by two matrices, which the graph computes from the size of the sheet:
    shares of areas where it shrinks, linear interpolation where it grows.
    """

    def __init__(self, size: tuple[int, int], **options: Any) -> None:
        super().__init__(**options)
        self.size = size

    def compute_output_shape(self, shape: Shape) -> Shape:
        """Return the shape of the output."""
        return (shape[0], *self.size, shape[3])

    def call(self, x: KerasTensor) -> KerasTensor:
        """Resize gray values, ``(batch, height, width, 1)``."""
        _, height, width, _ = ops.shape(x)
        tall, wide = self.size
        shrinks = ops.logical_and(ops.greater_equal(height, tall), ops.greater_equal(width, wide))
        rows = _mixing(height, tall, shrinks)
        columns = _mixing(width, wide, shrinks)
        mixed = ops.matmul(rows, ops.squeeze(x, -1))
        resized = ops.matmul(mixed, ops.transpose(columns))
        # Halves go up: they are frequent where two pixels become one, which OpenCV does this way.
        return ops.expand_dims(ops.floor(resized + 0.5), -1)


def _mixing(length: KerasTensor, new: int, shrinks: KerasTensor) -> KerasTensor:
    """Return the weights of old pixels in new ones, along one side: ``(new, length)``."""
    ratio = ops.cast(length, "float32") / new
    old = ops.cast(ops.arange(length), "float32")[None, :]
    index = ops.convert_to_tensor(np.arange(new, dtype=np.float32)[:, None])
    overlap = ops.minimum((index + 1) * ratio, old + 1) - ops.maximum(index * ratio, old)
    area = ops.clip(overlap, 0.0, 1.0) / ratio
    last = ops.cast(length, "float32") - 1
    centre = ops.clip((index + 0.5) * ratio - 0.5, 0.0, last)
    linear = ops.clip(1 - ops.abs(centre - old), 0.0, 1.0)
    return ops.where(shrinks, area, linear)


class PadToStride(layers.Layer):
    """Mirrors sheets at their edges up to whole strides, like ``prediction.inference``."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self._stride = stride

    def compute_output_shape(self, shape: Shape) -> Shape:
        """Return the shape of the output."""
        return (shape[0], None, None, shape[3])

    def call(self, x: KerasTensor) -> KerasTensor:
        """Pad gray values, ``(batch, height, width, 1)``."""
        _, height, width, _ = ops.shape(x)
        rows, columns = (_mirrored(length, self._stride) for length in (height, width))
        return ops.take(ops.take(x, rows, axis=1), columns, axis=2)


def _mirrored(length: KerasTensor, stride: int) -> KerasTensor:
    """Return which old row or column each one of the padded sheet shows."""
    padded = (length + stride - 1) // stride * stride
    place = ops.arange(padded) % (2 * length)
    return ops.where(place < length, place, 2 * length - 1 - place)


class CropLike(layers.Layer):
    """Cuts maps of a padded sheet back to the sheet."""

    def compute_output_shape(self, maps_shape: Shape, sheet_shape: Shape) -> Shape:
        """Return the shape of the output."""
        return (maps_shape[0], sheet_shape[1], sheet_shape[2], maps_shape[3])

    def call(self, maps: KerasTensor, sheet: KerasTensor) -> KerasTensor:
        """Cut ``(batch, padded height, padded width, classes)`` to the size of ``sheet``."""
        _, height, width, _ = ops.shape(sheet)
        return maps[:, :height, :width]


class _Doubling(layers.Layer):
    def compute_output_shape(self, shape: Shape) -> Shape:
        """Return the shape of the output."""
        height, width = (side and 2 * side for side in shape[1:3])
        return (shape[0], height, width, shape[3])


class RepeatPixels(_Doubling):
    """Doubles height and width by repetition, as one operation that all runtimes are fast at.

    ``UpSampling2D`` becomes reshapes and copies, which took OpenVINO a tenth of a U-Net's time.
    """

    def call(self, x: KerasTensor) -> KerasTensor:
        """Repeat features, ``(batch, height, width, channels)``."""
        import tensorflow as tf  # ops.image.resize takes no size that is known only at run time

        return tf.image.resize(x, 2 * tf.shape(x)[1:3], method="nearest")


class DoubleSmoothly(_Doubling):
    """Doubles height and width by repetition and a mean over 3×3, at the lower resolution.

    A convolution gives the four pixels that each one becomes, a third of a coarse neighbour and two
    thirds of itself along each side; then they are put in their places.
    """

    def call(self, x: KerasTensor) -> KerasTensor:
        """Enlarge maps of few channels, ``(batch, height, width, channels)``."""
        channels = int(x.shape[-1])
        batch, height, width, _ = ops.shape(x)
        taps = np.array([[1, 2, 0], [0, 2, 1]], np.float32) / 3  # of the first and second pixel
        kernel = np.einsum("ai,bj,cd->ijcabd", taps, taps, np.eye(channels, dtype=np.float32))
        kernel = kernel.reshape(3, 3, channels, 4 * channels)
        # A mean that leaves out what lies beyond the edge equals one over a mirrored edge.
        padded = ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="symmetric")
        four = ops.conv(padded, kernel, padding="valid")
        four = ops.reshape(four, (batch, height, width, 2, 2, channels))
        placed = ops.transpose(four, (0, 1, 3, 2, 4, 5))
        return ops.reshape(placed, (batch, 2 * height, 2 * width, channels))
