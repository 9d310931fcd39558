"""Fitting and using the gate."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn import metrics

from steel_defects.models.classifier import (
    HEAD,
    POOLED,
    add_mask_output,
    build_classifier,
    standardise_features,
)
from steel_defects.models.config import PLAIN_BACKBONES, HeadConfig
from steel_defects.prediction.sheet_scores import predict_scores, predict_sheets
from steel_defects.training.augment.augmentation import Augmentation
from steel_defects.training.checkpoints import Checkpoint, fingerprint_of
from steel_defects.training.classifier_phases import phases_of, set_trainable
from steel_defects.training.config import BackboneTraining, ClassificationConfig
from steel_defects.training.data.batches import Batch, Example
from steel_defects.training.data.labelled_sheets import (
    LabelledSheets,
    class_weights,
    sheet_reader,
)
from steel_defects.training.data.loader import Loader
from steel_defects.training.devices import on_one_device, spread_over
from steel_defects.training.initialisation import fit_initial_weights
from steel_defects.training.loop import Unpacked, fit
from steel_defects.training.optimizers import build_optimizer
from steel_defects.training.precision import dtype_policy, resolve_precision
from steel_defects.training.reproducibility import fresh_start

logger = logging.getLogger(__name__)

_CONTRAST = 0.1  # largest change of a sheet's contrast, as a share


@dataclass(frozen=True)
class FittedClassifier:
    """A classifier with the story of its training.

    Attributes:
        model: From gray sheets to the probability of a defect.
        history: One row an epoch.
        seconds: Time that the training took.
    """

    model: keras.Model
    history: pd.DataFrame
    seconds: float


def train_classifier(
    data: LabelledSheets,
    training_ids: Sequence[str],
    validation_ids: Sequence[str],
    config: ClassificationConfig,
    own: BackboneTraining,
    weights_dir: str | None,
    checkpoint_dir: Path | None = None,
    keep_checkpoint: bool = False,
) -> FittedClassifier:
    """Fit a classifier: first its head alone, where the backbone is pre-trained, then all of it.

    Args:
        data: All sheets.
        training_ids: The sheets to learn from.
        validation_ids: The sheets that decide when to stop.
        config: How to fit.
        own: Which backbone, and what it does differently.
        weights_dir: Folder of weight files.
        checkpoint_dir: Where the state is kept until the training is done; None keeps none.
        keep_checkpoint: Keep it even then, for a caller who has more to train.
    """
    config = config.for_backbone(own)
    started = time.perf_counter()
    with (
        fresh_start(config.seed, config.deterministic),
        spread_over(config.devices, config.batch_size),
    ):
        model, history = _fit(
            data.subset(training_ids), data.subset(validation_ids), config, own, weights_dir,
            checkpoint_dir, keep_checkpoint,
        )  # fmt: skip
    return FittedClassifier(on_one_device(model), history, time.perf_counter() - started)


def _fit(
    training: LabelledSheets,
    validation: LabelledSheets,
    config: ClassificationConfig,
    own: BackboneTraining,
    weights_dir: str | None,
    checkpoint_dir: Path | None,
    keep_checkpoint: bool,
) -> tuple[keras.Model, pd.DataFrame]:
    def build(head: HeadConfig) -> keras.Model:
        plain = own.backbone.name in PLAIN_BACKBONES
        with dtype_policy(resolve_precision(config.precision, plain)):
            return build_classifier(own.backbone, head, config.input_size, config.seed, weights_dir)

    model = build(config.head)
    if own.backbone.weights == "none":
        fit_initial_weights(model, training, config, own)
    fingerprint = fingerprint_of(
        config.model_dump(exclude={"cache"}), own.model_dump(), weights_dir,
        training.content, validation.content,
    )  # fmt: skip
    histories, checkpoints = [], []
    for number, phase in enumerate(phases_of(config, own.backbone.weights != "none")):
        set_trainable(model, phase)
        checkpoint = (
            Checkpoint(checkpoint_dir / f"{own.backbone.name}_{number}.npz", fingerprint)
            if checkpoint_dir
            else None
        )
        checkpoints.append(checkpoint)
        label = f"{own.backbone.name} ({phase.name})" if phase.name else own.backbone.name
        arguments = (model, training, validation, phase.config, label, checkpoint)
        histories.append(
            _fit_phase(*arguments, start_counts=number > 0)
            if phase.trunk_learns
            else _fit_head(*arguments)
        )
    history = pd.concat(histories, ignore_index=True)
    history["epoch"] = range(1, len(history) + 1)
    for checkpoint in checkpoints:
        if checkpoint and not keep_checkpoint:
            checkpoint.remove()
    if config.head.finished.turns != config.head.turns:
        finished = build(config.head.finished)
        finished.set_weights(model.get_weights())
        model = finished
    return model, history


def _fit_phase(
    model: keras.Model,
    training: LabelledSheets,
    validation: LabelledSheets,
    config: ClassificationConfig,
    label: str,
    checkpoint: Checkpoint | None,
    start_counts: bool,
) -> pd.DataFrame:
    steps = -(-len(training.sheets) // config.batch_size) * config.epochs
    with dtype_policy(model.dtype_policy.name):  # without float16's, Keras does not scale the loss
        fitted = add_mask_output(model) if config.mask_loss_weight else _sharing_weights(model)
    outputs = len(fitted.outputs)
    fitted.compile(
        build_optimizer(config, steps),
        loss=["binary_crossentropy"] * outputs,
        loss_weights=[1.0, config.mask_loss_weight][:outputs],
        run_eagerly=config.eager,
    )
    grid = fitted.outputs[-1].shape[1:3] if outputs == 2 else (1, 1)
    loader = Loader(
        sheet_reader(
            training,
            config.input_size,
            Augmentation(brightness=config.brightness, contrast=_CONTRAST),
            (int(grid[0]), int(grid[1])),
        ),
        lambda rng: rng.permutation(len(training.sheets)).tolist(),
        config.batch_size,
        config.seed,
        config.loader_threads,
    )

    def evaluate(_: keras.Model) -> dict[str, float]:
        return _validate(model, validation)

    return fit(
        fitted,
        loader,
        _unpack(outputs),
        evaluate,
        config,
        label,
        checkpoint,
        start_counts=start_counts,
        keep_last=config.keep_last,
    )


def _fit_head(
    model: keras.Model,
    training: LabelledSheets,
    validation: LabelledSheets,
    config: ClassificationConfig,
    label: str,
    checkpoint: Checkpoint | None,
) -> pd.DataFrame:
    """Fit the dense layers alone, on features that the frozen backbone yields once a sheet.

    The last weights are kept: the few steps of a small head seldom overfit, while a choice of epoch
    by a dozen validation sheets is mostly chance.
    """
    extractor = keras.Model(model.input, model.get_layer(POOLED).output)
    features, tuning = (
        predict_sheets(extractor, part.folder, part.sheets["path"].tolist())
        for part in (training, validation)
    )
    weights = class_weights(training.labels)
    head = model.get_layer(HEAD)
    standardise_features(head, features.mean(axis=0), features.var(axis=0))
    steps = -(-len(features) // config.batch_size) * config.epochs
    with dtype_policy(model.dtype_policy.name):  # as in _fit_phase
        fitted = _sharing_weights(head)
    fitted.compile(
        build_optimizer(config, steps), loss="binary_crossentropy", run_eagerly=config.eager
    )

    def read(index: int, _: np.random.Generator) -> Example:
        label = bool(training.labels[index])
        return {
            "sheet": features[index].astype(np.float32),
            "score": np.array([label], np.float32),
            "weight": np.array(weights[label], np.float32),
        }

    def evaluate(_: keras.Model) -> dict[str, float]:
        predicted = head.predict_on_batch(tuning.astype(np.float32))[: len(tuning)]
        scores = np.asarray(predicted, np.float64)[:, 0]
        return _validation_figures(validation.labels, scores)

    loader = Loader(
        read,
        lambda rng: rng.permutation(len(features)).tolist(),
        config.batch_size,
        config.seed,
        threads=1,
    )
    return fit(fitted, loader, _unpack(1), evaluate, config, label, checkpoint, keep_last=True)


def _sharing_weights(model: keras.Model) -> keras.Model:
    """Return a model to compile in another's place, whose file would else hold the optimizer."""
    return keras.Model(model.input, model.output, name=model.name)


def _unpack(outputs: int) -> Callable[[Batch], Unpacked]:
    def unpack(batch: Batch) -> Unpacked:
        if outputs == 1:
            return batch["sheet"], batch["score"], batch["weight"]
        cells = np.ones(batch["mask"].shape[:3], np.float32)
        return batch["sheet"], [batch["score"], batch["mask"]], [batch["weight"], cells]

    return unpack


def _validate(model: keras.Model, validation: LabelledSheets) -> dict[str, float]:
    scores = predict_scores(model, validation.folder, validation.sheets["path"].tolist())
    return _validation_figures(validation.labels, scores)


def _validation_figures(labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> dict[str, float]:
    if not np.isfinite(scores).all():
        return {"validation_loss": float("nan")}
    clipped = np.clip(scores, 1e-6, 1 - 1e-6)
    values = {"validation_loss": float(metrics.log_loss(labels, clipped, labels=[False, True]))}
    if labels.any() and not labels.all():
        values["validation_roc_auc"] = float(metrics.roc_auc_score(labels, scores))
    return values
