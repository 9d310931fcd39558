"""Fitting the gate: first its head alone, where the backbone is pre-trained, then all of it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from keras import ops
from numpy.typing import NDArray
from sklearn import metrics

from steel_defects.images.reading import resize
from steel_defects.labels.masks import UNKNOWN
from steel_defects.models.backbones import (
    freeze_batch_norm,
    has_batch_norm,
    standardise_activations,
    to_channels,
)
from steel_defects.models.classifier import (
    HEAD,
    add_mask_output,
    build_classifier,
    standardise_features,
)
from steel_defects.models.config import PLAIN_BACKBONES, HeadConfig
from steel_defects.prediction.sheet_scores import predict_scores
from steel_defects.training.augmentation import Augmentation
from steel_defects.training.backend import dtype_policy, resolve_precision, run_training
from steel_defects.training.checkpoints import Checkpoint, fingerprint_of
from steel_defects.training.config import ClassificationConfig
from steel_defects.training.frozen_features import FrozenFeatures
from steel_defects.training.jobs import ClassifierRecipe, Fitted
from steel_defects.training.labelled_sheets import (
    LabelledSheets,
    class_weights,
    labelled,
    sheet_reader,
)
from steel_defects.training.loader import Batch, Example, Loader
from steel_defects.training.loop import Unpacked, fit
from steel_defects.training.steps import build_optimizer

logger = logging.getLogger(__name__)

_CONTRAST = 0.1  # largest change of a sheet's contrast, as a share
_INITIAL_SHEETS = 16  # that initial weights are fitted to

Read = Callable[[int, np.random.Generator], Example]
Evaluate = Callable[[keras.Model], dict[str, float]]


@dataclass(frozen=True)
class _Phase:
    """A part of the training: its name in the log, its values, and whether the trunk learns."""

    name: str
    config: ClassificationConfig
    trunk_learns: bool


@dataclass(frozen=True)
class _Job:
    training: LabelledSheets
    validation: LabelledSheets
    recipe: ClassifierRecipe
    checkpoint_dir: Path
    features: FrozenFeatures


def fit_classifier(
    training: LabelledSheets,
    validation: LabelledSheets,
    recipe: ClassifierRecipe,
    checkpoint_dir: Path,
    features: FrozenFeatures | None = None,
) -> Fitted:
    """Fit a classifier; validation decides when to stop, checkpoints go when it is done.

    ``features`` holds what earlier trainings of the same recipe read from their sheets.
    """
    job = _Job(training, validation, recipe, checkpoint_dir, features or FrozenFeatures())
    return run_training(recipe.training, lambda: _fit(job))


def _fit(job: _Job) -> tuple[keras.Model, pd.DataFrame]:
    recipe, training = job.recipe, job.training
    backbone, head = recipe.backbone, recipe.training.head
    logger.info("%s starts from %s", backbone.name, backbone.start)
    model, from_scratch = _build(recipe, head), backbone.weights == "none"
    if from_scratch and not has_batch_norm(_trunk(model)):
        _fit_initial_weights(model, training, recipe)
    fingerprint = fingerprint_of(recipe.content, training.content, job.validation.content)
    histories, checkpoints = [], []
    for number, phase in enumerate(_phases(recipe)):
        _set_trainable(model, phase, batch_norm_learns=from_scratch)
        checkpoint = Checkpoint(job.checkpoint_dir / f"{backbone.name}_{number}.npz", fingerprint)
        histories.append(_fit_phase(model, phase, job, checkpoint))
        checkpoints.append(checkpoint)
    history = pd.concat(histories, ignore_index=True)
    history["epoch"] = range(1, len(history) + 1)
    for checkpoint in checkpoints:
        checkpoint.remove()
    if head.finished.turns != head.turns:
        finished = _build(recipe, head.finished)
        finished.set_weights(model.get_weights())
        model = finished
    return model, history


def _build(recipe: ClassifierRecipe, head: HeadConfig) -> keras.Model:
    config, plain = recipe.training, recipe.backbone.name in PLAIN_BACKBONES
    with dtype_policy(resolve_precision(config.precision, plain)):
        return build_classifier(
            recipe.backbone, head, config.input_size, config.seed, recipe.weights_dir
        )


def _trunk(model: keras.Model) -> keras.Model:
    return model.get_layer(f"{model.name}_trunk")


def _fit_initial_weights(
    model: keras.Model, training: LabelledSheets, recipe: ClassifierRecipe
) -> None:
    config = recipe.training
    order = np.random.default_rng(config.seed).permutation(len(training.sheets))
    paths = training.sheets["path"].iloc[sorted(order[:_INITIAL_SHEETS])]
    sheets = [resize(training.folder.read(path), config.input_size) for path in paths]
    batch = np.stack(sheets).astype(np.float32)[..., None]
    channels = keras.ops.convert_to_numpy(to_channels(batch, recipe.backbone))
    standardise_activations(_trunk(model), channels)


def _phases(recipe: ClassifierRecipe) -> list[_Phase]:
    """From scratch all layers learn at once; a pre-trained trunk is frozen at first."""
    config = recipe.training
    if recipe.backbone.weights == "none":
        return [_Phase("", config, trunk_learns=True)]
    phases = []
    if epochs := config.frozen_epochs:
        head_only = config.model_copy(update={"epochs": epochs, "patience": epochs})
        phases.append(_Phase("head", head_only, trunk_learns=False))
    if config.fine_tuning_rate:
        rate = config.learning_rate * config.fine_tuning_rate
        tuned = config.model_copy(update={"learning_rate": rate})
        phases.append(_Phase("fine-tuning", tuned, trunk_learns=True))
    return phases


def _set_trainable(model: keras.Model, phase: _Phase, batch_norm_learns: bool) -> None:
    """Freeze or release the trunk.

    Its pre-trained batch norm stays frozen: the statistics of a few sheets are worse than
    ImageNet's, and folded batch norm has none to learn.
    """
    trunk = _trunk(model)
    trunk.trainable = phase.trunk_learns
    if phase.trunk_learns and not batch_norm_learns:
        freeze_batch_norm(trunk)


def _fit_phase(
    model: keras.Model, phase: _Phase, job: _Job, checkpoint: Checkpoint
) -> pd.DataFrame:
    config, count = phase.config, len(job.training.sheets)
    prepare = _whole_network if phase.trunk_learns else _head_alone
    fitted, read, evaluate = prepare(model, config, job)
    outputs = len(fitted.outputs)
    fitted.compile(
        build_optimizer(config, -(-count // config.batch_size) * config.epochs),
        loss=["binary_crossentropy"] * outputs,
        loss_weights=[1.0, config.mask_loss_weight][:outputs],
        run_eagerly=config.eager,
    )
    threads = config.loader_threads if phase.trunk_learns else 1
    loader = Loader(
        read, lambda rng: rng.permutation(count).tolist(), config.batch_size, config.seed, threads
    )
    label = f"{model.name} ({phase.name})" if phase.name else model.name
    unpack = partial(_unpack, job.training.has_void)
    return fit(
        fitted, loader, unpack, evaluate, config, label, checkpoint,
        # What fine-tuning starts with was trained already.
        start_counts=phase.name == "fine-tuning" and config.frozen_epochs > 0,
        # The few steps of a small head seldom overfit, while a choice of epoch by a dozen
        # validation sheets is mostly chance.
        keep_last=config.keep_last or not phase.trunk_learns,
    )  # fmt: skip


def _whole_network(
    model: keras.Model, config: ClassificationConfig, job: _Job
) -> tuple[keras.Model, Read, Evaluate]:
    with dtype_policy(model.dtype_policy.name):  # without float16's, Keras does not scale the loss
        fitted = add_mask_output(model) if config.mask_loss_weight else _sharing_weights(model)
    grid = tuple(fitted.outputs[1].shape[1:3]) if config.mask_loss_weight else None
    augmentation = Augmentation(brightness=config.brightness, contrast=_CONTRAST)
    validation = job.validation
    paths = validation.sheets["path"].tolist()

    def evaluate(_: keras.Model) -> dict[str, float]:
        scores = predict_scores(model, validation.folder, paths)
        return _validation_figures(validation.labels, scores)

    return fitted, sheet_reader(job.training, config.input_size, augmentation, grid), evaluate


def _head_alone(
    model: keras.Model, config: ClassificationConfig, job: _Job
) -> tuple[keras.Model, Read, Evaluate]:
    """Take the dense layers, on features that the frozen backbone yields once per sheet."""
    turns = len(config.head.turns)
    features, tuning = (
        job.features.of(model, turns, part) for part in (job.training, job.validation)
    )
    labels = job.training.labels
    weights, head = class_weights(labels), model.get_layer(HEAD)
    standardise_features(
        head, features.mean(axis=0, dtype=np.float64), features.var(axis=0, dtype=np.float64)
    )
    with dtype_policy(model.dtype_policy.name):  # as in _whole_network
        fitted = _sharing_weights(head)

    def read(index: int, _: np.random.Generator) -> Example:
        return labelled(features[index], bool(labels[index]), weights)

    def evaluate(_: keras.Model) -> dict[str, float]:
        predicted = head.predict_on_batch(tuning)[: len(tuning)]
        return _validation_figures(job.validation.labels, np.asarray(predicted, np.float64)[:, 0])

    return fitted, read, evaluate


def _sharing_weights(model: keras.Model) -> keras.Model:
    """Return a model to compile in another's place, whose file would else hold the optimizer."""
    return keras.Model(model.input, model.output, name=model.name)


def _unpack(has_void: bool, batch: Batch) -> Unpacked:
    if "mask" not in batch:
        return batch["sheet"], batch["score"], batch["weight"]
    mask = batch["mask"]
    cells: Any = np.ones(mask.shape[:3], np.float32)
    if has_void:
        cells = ops.cast(ops.squeeze(mask, -1) < UNKNOWN, "float32")
        mask = ops.minimum(mask, 1.0)
    return batch["sheet"], [batch["score"], mask], [batch["weight"], cells]


def _validation_figures(labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> dict[str, float]:
    if not np.isfinite(scores).all():
        return {"validation_loss": float("nan")}
    clipped = np.clip(scores, 1e-6, 1 - 1e-6)
    values = {"validation_loss": float(metrics.log_loss(labels, clipped, labels=[False, True]))}
    if labels.any() and not labels.all():
        values["validation_roc_auc"] = float(metrics.roc_auc_score(labels, scores))
    return values
