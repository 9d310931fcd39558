"""Trainings through the command line without Kedro, on sixteen drawn sheets.

Run as a script it trains with JAX while TensorFlow, Kedro and pandera can't be imported.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

CLASSIFIER = ("classifier", "--backbone", "mobilenet_v2")
SEGMENTER = ("segmenter", "--architecture", "unet")
PARAMETERS = {
    "data_engineering": {
        "seed": 1,
        "class_names": ["pitting", "crack", "scratch", "scale"],
        "expected_size": [64, 256],
        "shares": {"train": 0.5, "validation": 0.25, "test": 0.25},
        "tile_size": [64, 64],
        "tile_stride": [64, 64],
    },
    "classification": {
        "seed": 1,
        "input_size": [64, 128],
        "epochs": 1,
        "fine_tuning_rate": 1.0,
        "batch_size": 4,
        # Batch norm of four small sheets makes a hundredfold of any difference at a usual rate.
        "learning_rate": 0.00001,
        "patience": 3,
        "precision": "float32",
        "head": {"units": [8], "dropout": 0.0},
    },
    "mobilenet_v2": {
        "training": {"backbone": {"name": "mobilenet_v2", "weights": "none", "alpha": 0.35}}
    },
    "segmentation": {
        "seed": 1,
        "steps_per_epoch": 3,
        "epochs": 2,
        "batch_size": 4,
        "learning_rate": 0.001,
        "patience": 2,
        "precision": "float32",
    },
    "unet": {"network": {"name": "unet", "filters": [4, 8], "dropout": 0.0}},
    "segmenter_prediction": {},
    "segmenter_cross_validation": {"architectures": ["unet"]},
    "postprocessing": {"thresholds": [0.5], "min_areas_px": [0]},
    "cross_validation": {"folds": 2, "repeats": 2, "models": ["mobilenet_v2"]},
}
#: Sheets of both networks' sizes.
SHEETS = {
    "mobilenet_v2.classifier": np.random.default_rng(0).uniform(0, 255, (3, 64, 128, 1)),
    "unet.segmenter": np.random.default_rng(1).uniform(0, 255, (3, 64, 64, 1)),
}


def train(folder: Path, output: Path, *arguments: str) -> int:
    """Call the command on the tables and pictures of a folder; returns the exit status."""
    from steel_defects.training.__main__ import main

    shared = ["--tables", str(folder), "--raw-dir", str(folder), "--output", str(output)]
    return main([arguments[0], *shared, *arguments[1:]])


def use_same_initial_weights(set_attribute: Callable[..., None] = setattr) -> None:
    """Draw initial weights with NumPy: backends draw different ones from the same seed."""
    import keras

    def draw(self, shape, dtype=None):
        depthwise = len(shape) == 4 and shape[-1] == 1 and shape[0] > 1
        spread = np.sqrt(2 / np.prod(shape[: 2 if depthwise else -1]))
        return np.random.default_rng(list(shape)).normal(0, spread, shape).astype("float32")

    set_attribute(keras.initializers.VarianceScaling, "__call__", draw)


def latest(output: Path, file: str, layer: str = "06_models") -> Path:
    """Return the newest version of a file of the catalog."""
    return sorted((output / layer / file).glob(f"*/{file}"))[-1]


def predict(output: Path) -> dict[str, np.ndarray]:
    """Let the models in a folder predict the same sheets."""
    from steel_defects.models.files import load_model

    return {
        name: load_model(latest(output, f"{name}.keras")).predict_on_batch(sheets.astype("float32"))
        for name, sheets in SHEETS.items()
    }


def _train_without_tensorflow(folder: Path, trained_elsewhere: Path, output: Path) -> None:
    for name in ("tensorflow", "kedro", "kedro_datasets", "pandera", "omegaconf", "yaml"):
        sys.modules[name] = None
    import keras

    assert keras.backend.backend() == "jax"
    assert len(keras.distribution.list_devices()) == 2
    use_same_initial_weights()
    for kind in (CLASSIFIER, SEGMENTER):
        assert train(folder, output / "one_device", *kind) == 0
    spread = ("--set", "segmentation.devices=all")
    assert train(folder, output / "two_devices", *SEGMENTER, *spread) == 0
    odd = ("--set", "segmentation.batch_size=3")
    assert train(folder, output / "refused", *SEGMENTER, *spread, *odd) == 1
    np.savez(output / "own.npz", **predict(output / "one_device"))
    np.savez(output / "elsewhere.npz", **predict(trained_elsewhere))


if __name__ == "__main__":
    _train_without_tensorflow(*map(Path, sys.argv[1:]))
