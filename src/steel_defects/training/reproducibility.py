"""Making a training give the same result each time."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import keras

logger = logging.getLogger(__name__)


@contextmanager
def fresh_start(seed: int, deterministic: bool) -> Iterator[None]:
    """Train inside with earlier models forgotten and Python, NumPy and the backend seeded.

    Args:
        seed: The seed.
        deterministic: Also have the backend choose operations that repeat bit by bit. Off is not
            honoured once an earlier training of the process has switched it on.
    """
    if deterministic and keras.backend.backend() == "jax":
        _make_jax_repeat()
    keras.backend.clear_session()
    repeating = deterministic and keras.backend.backend() == "tensorflow"
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


_XLA_DETERMINISM = "--xla_gpu_deterministic_ops=true"


def _make_jax_repeat() -> None:
    """Ask XLA for operations that repeat on a GPU; on a CPU its results repeat anyway.

    XLA reads its flags once, when JAX first looks for devices, which importing Keras does not do.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if _XLA_DETERMINISM.split("=", maxsplit=1)[0] not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {_XLA_DETERMINISM}".strip()
