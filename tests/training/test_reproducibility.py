"""Small tensors are summed by one thread: only full-size batches show what threads change."""

import os
import subprocess
import sys

import pytest

TRAINING = """
import hashlib, sys
import keras, numpy as np
from steel_defects.models.config import UNetConfig
from steel_defects.models.segmenters import build_segmenter
from steel_defects.training.backend import dtype_policy, fresh_start, resolve_precision
from steel_defects.training.segmentation import MaskLoss

rng = np.random.default_rng(0)
sheets = rng.uniform(0, 255, (8, 256, 256, 1)).astype("float32")
masks = (rng.random((8, 256, 256, 4)) > 0.8).astype("float32")
with fresh_start(1, deterministic=True):
    with dtype_policy(resolve_precision(sys.argv[1], plain_convolutions=True)):
        model = build_segmenter(UNetConfig(filters=(12, 24, 48)), 4, seed=1)
    model.compile("adam", MaskLoss(0.5))
    for _ in range(4):
        model.train_on_batch(sheets, masks)
weights = b"".join(value.tobytes() for value in model.get_weights())
print("weights", hashlib.sha256(weights).hexdigest())
"""


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_trainings_end_in_the_same_weights(precision: str) -> None:
    # Beside each other, so that they disturb each other, and in processes of their own, where
    # TensorFlow has not been in use.
    trainings = [_start_training(precision) for _ in range(2)]
    digests = [line for training in trainings for line in _weights(training)]
    assert len(digests) == 2
    assert digests[0] == digests[1]


def _start_training(precision: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", TRAINING, precision],
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"},
        stdout=subprocess.PIPE,
        text=True,
    )


def _weights(training: subprocess.Popen[str]) -> list[str]:
    output, _ = training.communicate(timeout=600)
    return [line for line in output.splitlines() if line.startswith("weights")]


def test_graphs_are_rewritten_again_after_a_training() -> None:
    """A process that only loads the network rewrites them, which rounds bfloat16 elsewhere."""
    import tensorflow

    from steel_defects.training.backend import fresh_start

    def as_written() -> bool:
        options = tensorflow.config.optimizer.get_experimental_options()
        return bool(options.get("disable_meta_optimizer", False))

    with pytest.raises(KeyboardInterrupt), fresh_start(1, deterministic=True):
        assert as_written()
        raise KeyboardInterrupt
    assert not as_written()
