"""Fitting a segmenter at the best of a few learning rates."""

import json
import logging
import math
from dataclasses import replace
from pathlib import Path

from steel_defects.files import replaced
from steel_defects.models.config import Network
from steel_defects.training.checkpoints import fingerprint_of
from steel_defects.training.config import SegmentationConfig
from steel_defects.training.labelled_tiles import LabelledTiles
from steel_defects.training.loop import TrainingDiverged
from steel_defects.training.segmentation import FittedSegmenter, train_segmenter

logger = logging.getLogger(__name__)


def train_at_best_rate(
    training: LabelledTiles,
    validation: LabelledTiles,
    config: SegmentationConfig,
    network: Network,
    label: str,
    checkpoint_dir: Path | None = None,
    weights_dir: str | None = None,
) -> FittedSegmenter:
    """Try the learning rates of ``config.search``, if any, and fit a segmenter at the best.

    Takes what :func:`steel_defects.training.segmentation.train_segmenter` takes. Each rate is tried
    in a short training of its own, with a schedule of its own; the lowest validation loss wins.
    Rates that were tried are kept until the training is done, and not tried again after a kill.

    Raises:
        SteelDefectsError: As there.
    """
    tried = checkpoint_dir / f"{label}_rates.json" if checkpoint_dir else None
    rate = best_rate(training, validation, config, network, label, tried, weights_dir)
    chosen = config.model_copy(update={"learning_rate": rate, "search": None})
    fitted = train_segmenter(
        training, validation, chosen, network, label, checkpoint_dir, weights_dir
    )
    if tried:
        tried.unlink(missing_ok=True)
    return replace(fitted, learning_rate=rate)


def best_rate(
    training: LabelledTiles,
    validation: LabelledTiles,
    config: SegmentationConfig,
    network: Network,
    label: str,
    tried: Path | None,
    weights_dir: str | None = None,
) -> float:
    """Return the learning rate whose short training had the lowest validation loss.

    Args:
        training: Tiles to learn from.
        validation: Tiles to judge by.
        config: How to fit; ``search`` says which rates, None takes ``learning_rate`` as it is.
        network: What to build.
        label: Name in the log.
        tried: File that keeps what was tried; None keeps nothing.
        weights_dir: Folder of weight files.

    Raises:
        TrainingDiverged: At each of them the loss is no longer a number.
    """
    if config.search is None:
        return config.learning_rate
    digest = fingerprint_of(
        config.model_dump(exclude={"cache"}), network.model_dump(), training.content,
        validation.content,
    )  # fmt: skip
    losses = _read(tried, digest)
    for factor in config.search.factors:
        if str(factor) in losses:
            continue
        trial = _short(config, factor, config.search.epochs)
        name = f"{label}_rate_{trial.learning_rate:g}"
        folder = tried.parent if tried else None
        try:
            fitted = train_segmenter(
                training, validation, trial, network, name, folder, weights_dir
            )
            losses[str(factor)] = float(fitted.history["validation_loss"].min())
        except TrainingDiverged as error:
            logger.warning("%s; it is left out", error)
            losses[str(factor)] = math.inf
            if folder:
                (folder / f"{name}.npz").unlink(missing_ok=True)
        _write(tried, digest, losses)
    best = min(config.search.factors, key=lambda factor: losses[str(factor)])
    if math.isinf(losses[str(best)]):
        raise TrainingDiverged(
            f"{label}: at every learning rate of segmentation.search the loss is not a number; "
            "lower segmentation.learning_rate"
        )
    said = ", ".join(f"{float(f) * config.learning_rate:g}: {v:.4f}" for f, v in losses.items())
    logger.info("%s: validation loss by learning rate %s", label, said)
    return best * config.learning_rate


def _short(config: SegmentationConfig, factor: float, epochs: int) -> SegmentationConfig:
    changes = {
        "learning_rate": factor * config.learning_rate,
        "epochs": epochs,
        "patience": epochs,
        "finish": None,
        "search": None,
    }
    return config.model_copy(update=changes)


def _read(path: Path | None, digest: str) -> dict[str, float]:
    """Return what was tried with the same data, parameters and code."""
    if path is None or not path.is_file():
        return {}
    stored = json.loads(path.read_text(encoding="utf-8"))
    return dict(stored["losses"]) if stored["fingerprint"] == digest else {}


def _write(path: Path | None, digest: str, losses: dict[str, float]) -> None:
    if path is None:
        return
    with replaced(path) as temporary:
        text = json.dumps({"fingerprint": digest, "losses": losses})
        temporary.write_text(text, encoding="utf-8")
