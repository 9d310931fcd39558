"""Spreading batches over two TensorFlow devices; tests of backends do it with JAX."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from steel_defects.errors import SteelDefectsError
from steel_defects.training.backend import on_one_device, shares_of, spread_over

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

TWO_DEVICES = """
import json, sys
from pathlib import Path
import numpy as np
import tensorflow as tf
processor = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(processor, 2 * [tf.config.LogicalDeviceConfiguration()])
import keras
from tests.support import standalone
from steel_defects.training.backend import on_one_device, shares_of, spread_over

rng = np.random.default_rng(1)
sheets, scores, weights = rng.normal(size=(8, 6)), rng.random((8, 1)), rng.random(8)

def learn(devices):
    keras.utils.set_random_seed(1)
    with spread_over(devices, 8):
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])
        model.set_weights([np.ones((6, 1)), np.zeros(1)])
        model.compile(keras.optimizers.AdamW(0.1, global_clipnorm=5.0), ["mse"])
        # As the loop does before the first step: Keras could not find it out from shares.
        model.optimizer.build(model.trainable_variables)
        model.compute_loss(sheets, scores, scores, weights)
        losses = [
            float(model.train_on_batch(*shares_of((sheets, scores, weights)))) for _ in range(4)
        ]
    return losses, on_one_device(model).predict_on_batch(sheets).tolist()

print(json.dumps([learn(1), learn("all")]))
folder, output = map(Path, sys.argv[1:])
spread = ("--set", "segmentation.devices=all")
assert standalone.train(folder, output, *standalone.SEGMENTER, *spread) == 0
"""


def test_two_tensorflow_devices_learn_what_one_does(tables: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES, str(tables), str(tmp_path)],
        cwd=ROOT, env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    (one_losses, one), (two_losses, two) = json.loads(done.stdout.splitlines()[0])
    assert len(set(one_losses)) == 4
    np.testing.assert_allclose(two_losses, one_losses, rtol=1e-5)
    np.testing.assert_allclose(two, one, rtol=1e-5)


def test_one_device_is_left_alone() -> None:
    values = (np.zeros(3), [np.ones(3), None], None)
    with spread_over(1, 3):
        assert shares_of(values) is values
    model = _tiny()
    assert on_one_device(model) is model


def _tiny():
    import keras

    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])


def test_a_batch_must_be_shared_equally(monkeypatch):
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["cpu:0", "cpu:1"])
    with (
        pytest.raises(SteelDefectsError, match="batch_size 3 can't be shared equally by 2"),
        spread_over("all", 3),
    ):
        pass
