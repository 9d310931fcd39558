"""Networks as graphs for other runtimes: gray sheets in, and computed in float32."""

import keras
from keras import layers, ops

from steel_defects.deployment.layers import (
    CropLike,
    DoubleSmoothly,
    PadToStride,
    ReduceByArea,
    RepeatPixels,
    Resize,
)
from steel_defects.models.segmenters import required_stride

#: Channels up to which doubling by a convolution costs less than it saves.
FEW_CHANNELS = 8


def gate_graph(
    gate: keras.Model, input_size: tuple[int, int], sheet_size: tuple[int, int] | None
) -> keras.Model:
    """Put what the product does before its gate into the graph.

    Args:
        gate: From gray values, ``(batch, *input_size, 1)``, to the score.
        input_size: Height and width that sheets are resized to, pixels.
        sheet_size: Height and width of the sheets, pixels, a whole multiple of ``input_size``; None
            for a graph that takes any.

    Returns:
        Model from gray sheets, ``(batch, height, width, 1)``, uint8, to the score, ``(batch, 1)``,
        before calibration.
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

    Args:
        segmenter: From gray values of any size that is a multiple of its stride to maps, with or
            without the presence of each class.

    Returns:
        Model from gray sheets of any size, ``(batch, height, width, 1)``, uint8, to the segmenter's
        outputs; maps are of the size of the sheets.
    """
    sheet = keras.Input((None, None, 1), dtype="uint8", name="sheet")
    gray = ops.cast(PadToStride(required_stride(segmenter))(sheet), "float32")
    outputs = as_float32(segmenter)(gray, training=False)
    maps, *presence = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    maps = CropLike()(maps, sheet)
    return keras.Model(sheet, [maps, *presence] if presence else maps, name="segmenter")


def as_float32(model: keras.Model, faster: bool = True) -> keras.Model:
    """Copy a network so that it computes in float32, with equal but faster layers.

    Args:
        model: A functional model; one that was trained in bfloat16 computes in it, too.
        faster: Replace layers that runtimes are slow at by equal ones.
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

    Returns:
        Names of the averaging layers, and of the repeating ones before them.
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
