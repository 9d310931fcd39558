"""The graphs around a segmenter's network that fit and measure it on tiles."""

import keras
from keras import KerasTensor, ops

from steel_defects.errors import SteelDefectsError

#: Tile and class: what :func:`measuring_model` sums over the pixels, in its last axis.
BOTH, PREDICTED, TRUE, BOTH_AT_HALF, PREDICTED_AT_HALF, CROSSENTROPY = range(6)


def for_tiles(model: keras.Model, size: tuple[int, int], stride: int) -> keras.Model:
    """Let a network take tiles of any size, as inference lets it take sheets.

    Args:
        model: Segmenter, perhaps with further outputs; shares its weights with the result.
        size: Height and width of the tiles, pixels.
        stride: What the network's input must be a multiple of, pixels.

    Returns:
        Another model with the same outputs: tiles are mirrored at their edges up to whole strides,
        and masks cut back to the tiles.

    Raises:
        SteelDefectsError: The tiles are too small to be mirrored that far.
    """
    padding = [-pixels % stride for pixels in size]
    if not any(padding):
        return keras.Model(model.input, model.outputs, name=model.name)
    if any(more > pixels for more, pixels in zip(padding, size, strict=True)):
        raise SteelDefectsError(
            f"tiles of {size[0]} by {size[1]} pixels are too small for a network with a stride of "
            f"{stride}; make tile_size larger or the network's filters fewer"
        )
    sheet = keras.Input((*size, 1), name="sheet")
    around = ((0, 0), (0, padding[0]), (0, padding[1]), (0, 0))
    outputs = model(ops.pad(sheet, around, mode="symmetric"))
    outputs = outputs if isinstance(outputs, list) else [outputs]
    height = size[0] + padding[0]
    return keras.Model(sheet, [_cut_back(x, size, height) for x in outputs], name=model.name)


def _cut_back(output: KerasTensor, size: tuple[int, int], padded_height: int) -> KerasTensor:
    if len(output.shape) != 4:
        return output
    cell = padded_height // output.shape[1]
    return output[:, : size[0] // cell, : size[1] // cell]


def measuring_model(fitted: keras.Model, size: tuple[int, int], classes: int) -> keras.Model:
    """Return a model that measures a segmenter where it runs, so that no mask has to leave there.

    Args:
        fitted: From :func:`for_tiles`; its first output are the masks.
        size: Height and width of the tiles, pixels.
        classes: Number of defect classes.

    Returns:
        Model from a list of tiles, ``(batch, height, width, 1)``, and true masks,
        ``(batch, height, width, classes)``, 0 or 1, to sums over the pixels,
        ``(batch, classes, 6)``, float32.
    """
    truth = keras.Input((*size, classes), name="truth")
    predicted = fitted.outputs[0]
    decided = ops.cast(predicted >= 0.5, "float32")
    certain = ops.clip(predicted, 1e-6, 1 - 1e-6)
    parts = [
        truth * predicted,
        predicted,
        truth,
        truth * decided,
        decided,
        -ops.log(ops.where(truth > 0, certain, 1 - certain)),
    ]
    sums = ops.stack([ops.sum(part, axis=(1, 2)) for part in parts], axis=-1)
    return keras.Model([fitted.inputs[0], truth], sums)
