"""Fitting the segmenters."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pandas as pd
from keras import ops

from steel_defects.errors import SteelDefectsError
from steel_defects.models.config import UNetConfig
from steel_defects.models.segmenters import build_segmenter
from steel_defects.models.unet import add_auxiliary_masks
from steel_defects.training.backend import dtype_policy, resolve_precision, run_training
from steel_defects.training.checkpoints import Checkpoint, fingerprint_of
from steel_defects.training.data.labelled_tiles import LabelledTiles, training_loader
from steel_defects.training.data.loader import Batch
from steel_defects.training.jobs import Fitted, SegmenterRecipe
from steel_defects.training.loop import Unpacked, fit
from steel_defects.training.losses import MaskLoss
from steel_defects.training.optimizers import build_optimizer
from steel_defects.training.tile_validation import for_tiles, tile_validation

_PRESENCE_WEIGHT = 0.2  # of the presence head's cross-entropy; that of the masks counts once
_AUXILIARY_WEIGHT = 0.5  # of the finest mask of deep supervision; each coarser one has half of it


def fit_segmenter(
    training: LabelledTiles,
    validation: LabelledTiles,
    recipe: SegmenterRecipe,
    checkpoint_dir: Path,
    label: str | None = None,
) -> Fitted:
    """Fit a segmenter on tiles.

    Args:
        training: Tiles to learn from.
        validation: Tiles that decide when to stop.
        recipe: How to make it.
        checkpoint_dir: Where the state is kept until the training is done.
        label: Name in the log and of the checkpoint; None for that of the network.

    Raises:
        SteelDefectsError: There are no tiles to learn from, there is not one positive weight per
            class, the tiles are too small for the network, or its encoder's weights are missing.
    """
    if training.tiles.empty or validation.tiles.empty:
        raise SteelDefectsError(
            "the training or the validation split has no sheet, so that no segmenter can be "
            "trained; add sheets, or change data_engineering.shares"
        )
    given = len(recipe.training.positive_weights)
    if given not in (0, training.classes):
        raise SteelDefectsError(
            f"segmentation.positive_weights has {given} values; give one a class, "
            f"{training.classes}, or none"
        )
    name = label or recipe.network.name
    return run_training(
        recipe.training, lambda: _fit(training, validation, recipe, checkpoint_dir, name)
    )


def _fit(
    training: LabelledTiles,
    validation: LabelledTiles,
    recipe: SegmenterRecipe,
    checkpoint_dir: Path,
    label: str,
) -> tuple[keras.Model, pd.DataFrame]:
    config, network = recipe.training, recipe.network
    with dtype_policy(resolve_precision(config.precision, plain_convolutions=True)):
        model = build_segmenter(network, training.classes, config.seed, recipe.weights_dir)
        fitted = _model_to_fit(model, training, recipe)
    fingerprint = fingerprint_of(recipe.content, training.content, validation.content)
    checkpoint = Checkpoint(checkpoint_dir / f"{label}.npz", fingerprint)
    loader = training_loader(training, config)
    validate = tile_validation(model, network.stride, validation, config)
    history = fit(
        fitted, loader, _unpacker(recipe), lambda _: validate(), config, label, checkpoint,
        averaging=config.ema_momentum > 0,
    )  # fmt: skip
    checkpoint.remove()
    return model, history


def _model_to_fit(model: keras.Model, tiles: LabelledTiles, recipe: SegmenterRecipe) -> keras.Model:
    """Return a compiled model that shares a segmenter's weights.

    The segmenter itself stays uncompiled, or its file would hold the optimizer, three times the
    size of the weights.
    """
    config, network = recipe.training, recipe.network
    mask_loss = MaskLoss(config.bce_weight, config.region_loss, config.positive_weights)
    losses: list[keras.losses.Loss] = [mask_loss]
    weights = [1.0]
    if network.presence_head:
        losses.append(keras.losses.BinaryCrossentropy())
        weights.append(_PRESENCE_WEIGHT)
    if levels := len(network.auxiliary_strides):
        model = add_auxiliary_masks(model, levels, tiles.classes, config.seed)
        losses += [mask_loss] * levels
        weights += [_AUXILIARY_WEIGHT / 2**level for level in range(levels)]
    steps = config.epochs * config.tile_batches_per_epoch
    optimizer = build_optimizer(config, steps, config.warmup_share, config.ema_momentum)
    encoder = None if isinstance(network, UNetConfig) else network.encoder
    if encoder:
        pretrained = model.get_layer(f"{encoder.name}_encoder").trainable_variables
        optimizer.slow_down(pretrained, encoder.learning_rate_factor)
    fitted = for_tiles(model, tiles.size, network.stride)
    fitted.compile(optimizer, loss=losses, loss_weights=weights, run_eagerly=config.eager)
    return fitted


def _unpacker(recipe: SegmenterRecipe) -> Callable[[Batch], Unpacked]:
    """Return a function that makes the targets of :func:`_model_to_fit`.

    Masks of deep supervision are averages over the cells of their stage; a rest that fills no cell
    is left out.
    """

    def unpack(batch: Batch) -> Unpacked:
        targets: list[Any] = [batch["mask"]]
        if recipe.network.presence_head:
            targets.append(batch["presence"])
        mask, cell = batch["mask"], 1
        for stride in recipe.network.auxiliary_strides:
            window = stride // cell
            mask, cell = ops.average_pool(ops.cast(mask, "float32"), window, window), stride
            targets.append(mask)
        return batch["sheet"], targets, None

    return unpack
