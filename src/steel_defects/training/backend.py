"""What a training asks of Keras's backend: its arithmetic, repeatable results, several devices."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TypeVar

import keras
import pandas as pd

from steel_defects.errors import SteelDefectsError
from steel_defects.training.config import Devices, Precision, TrainingConfig
from steel_defects.training.jobs import Fitted

logger = logging.getLogger(__name__)

T = TypeVar("T")

_XLA_DETERMINISM = "--xla_gpu_deterministic_ops"


def run_training(
    config: TrainingConfig, fit: Callable[[], tuple[keras.Model, pd.DataFrame]]
) -> Fitted:
    """Call what fits a model, seeded and on the devices that the parameters ask for."""
    started = time.perf_counter()
    with (
        fresh_start(config.seed, config.deterministic),
        spread_over(config.devices, config.batch_size),
    ):
        model, history = fit()
    return Fitted(on_one_device(model), history, time.perf_counter() - started)


# === Precision ===


def resolve_precision(precision: Precision, plain_convolutions: bool) -> str:
    """Return the Keras dtype policy for a setting.

    ``auto`` takes bfloat16 on accelerators. A processor that multiplies in it (AMX or AVX-512)
    gains from it in networks that spend their time in a few large, plain convolutions; depthwise
    ones and chains of many small layers get slower, and elsewhere bfloat16 is emulated: there it
    takes float32.
    """
    if precision != "auto":
        return precision
    faster = has_accelerator() or (plain_convolutions and _multiplies_bfloat16())
    return "mixed_bfloat16" if faster else "float32"


@contextmanager
def dtype_policy(policy: str) -> Iterator[None]:
    """Build layers under a dtype policy, and put the earlier one back."""
    earlier = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(earlier)


def has_accelerator() -> bool:
    """Say whether there is a GPU or its like to train on."""
    return any(not device.startswith("cpu") for device in keras.distribution.list_devices())


def _multiplies_bfloat16() -> bool:
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text(encoding="utf-8") if cpuinfo.is_file() else ""
    return "amx_bf16" in text or "avx512_bf16" in text


# === The same result each time ===


@contextmanager
def fresh_start(seed: int, deterministic: bool) -> Iterator[None]:
    """Train inside with earlier models forgotten and Python, NumPy and the backend seeded.

    ``deterministic`` has the backend choose operations that repeat bit by bit, too. Off is not
    honoured once an earlier training of the process has switched it on.
    """
    backend, flags = keras.backend.backend(), os.environ.get("XLA_FLAGS", "")
    if deterministic and backend == "jax" and _XLA_DETERMINISM not in flags:
        # On a GPU; on a CPU XLA's results repeat anyway. It reads its flags once, when JAX first
        # looks for devices, which importing Keras does not do.
        os.environ["XLA_FLAGS"] = f"{flags} {_XLA_DETERMINISM}=true".strip()
    keras.backend.clear_session()
    repeating = deterministic and backend == "tensorflow"
    with _repeating_tensorflow() if repeating else nullcontext():
        keras.utils.set_random_seed(seed)
        yield


@contextmanager
def _repeating_tensorflow() -> Iterator[None]:
    """Switch off what lets TensorFlow round differently in two runs of one training.

    Deterministic operations alone do not do it on a CPU: operations that run side by side share
    threads, and how many they get decides the order of their sums; and Grappler's rewriting of a
    graph, which saves next to nothing here, does not always end in the same graph. Afterwards
    Grappler is on again: where it fuses operations, bfloat16 is rounded elsewhere, and scores that
    decide on thresholds must be those of a process that only loads the network.
    """
    import tensorflow

    tensorflow.config.experimental.enable_op_determinism()
    grappler, off = tensorflow.config.optimizer, "disable_meta_optimizer"
    earlier = grappler.get_experimental_options().get(off, False)
    grappler.set_experimental_options({off: True})
    try:
        tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        logger.warning(
            "TensorFlow was in use before this training, so its last digits may differ in another "
            "run; for the same digits train in a process of its own"
        )
    try:
        yield
    finally:
        grappler.set_experimental_options({off: earlier})


# === Several devices ===


@contextmanager
def spread_over(devices: Devices, batch_size: int) -> Iterator[None]:
    """Train models that are built inside on one device, or on all of the machine.

    Each device holds all weights and computes the gradient of its share of a batch; the step is
    that of their mean. With JAX, losses and batch norm see the batch as a whole, as on one device;
    with TensorFlow, each device's share by itself. ``all`` means accelerators where there are any,
    else processors.

    Raises:
        SteelDefectsError: The devices can't get equal shares of a batch.
    """
    names = keras.distribution.list_devices() if devices == "all" else []
    if len(names) < 2:
        yield
        return
    if batch_size % len(names):
        raise SteelDefectsError(
            f"batch_size {batch_size} can't be shared equally by {len(names)} devices; take a "
            f"multiple of {len(names)}, or devices: 1"
        )
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        # The usual collectives may meet in another order on each processor, and then fail.
        reduction = tensorflow.distribute.ReductionToOneDevice()
        strategy = tensorflow.distribute.MirroredStrategy(names, reduction)
    else:
        strategy = keras.distribution.DataParallel(devices=names, auto_shard_dataset=False)
    with strategy.scope():
        yield


def shares_of(values: T) -> T:
    """Divide a batch and its targets among the devices, as ``train_on_batch`` takes them.

    They are arrays of one length, in lists, tuples and dictionaries; None stays None.
    """
    if keras.backend.backend() != "tensorflow":  # Keras with JAX divides them itself
        return values
    import tensorflow

    strategy = tensorflow.distribute.get_strategy()
    count = strategy.num_replicas_in_sync
    if count == 1:
        return values

    def divide(array: object) -> object:
        if array is None:
            return None
        parts = tensorflow.split(array, count)
        return strategy.experimental_distribute_values_from_function(
            lambda context: parts[context.replica_id_in_sync_group]
        )

    return keras.tree.map_structure(divide, values)


def on_one_device(model: keras.Model) -> keras.Model:
    """Return a model with the same weights that is no longer spread over devices.

    A model that Keras built for several TensorFlow devices predicts every batch on each of them,
    and returns all of the results in a row.
    """
    tensorflow = keras.backend.backend() == "tensorflow"
    if not tensorflow or model.distribute_strategy.num_replicas_in_sync == 1:
        return model
    return keras.Model(model.inputs, model.outputs, name=model.name)
