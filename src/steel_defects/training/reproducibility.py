"""Making a training give the same result each time."""

import logging
import os

import keras

logger = logging.getLogger(__name__)


def start_afresh(seed: int, deterministic: bool) -> None:
    """Forget earlier models and seed Python, NumPy and the Keras backend.

    Args:
        seed: The seed.
        deterministic: Also have the backend choose operations that repeat bit by bit. Off is not
            honoured once an earlier training of the process has switched it on.
    """
    if deterministic and keras.backend.backend() == "jax":
        _make_jax_repeat()
    keras.backend.clear_session()
    if deterministic and keras.backend.backend() == "tensorflow":
        _make_tensorflow_repeat()
    keras.utils.set_random_seed(seed)


def _make_tensorflow_repeat() -> None:
    """Switch off what lets TensorFlow round differently in two runs of one training.

    Deterministic operations alone do not do it on a CPU: operations that run side by side share
    threads, and how many they get decides the order of their sums; and Grappler's rewriting of a
    graph, which saves next to nothing here, does not always end in the same graph.
    """
    import tensorflow

    tensorflow.config.experimental.enable_op_determinism()
    tensorflow.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        logger.warning(
            "TensorFlow was in use before this training, so its last digits may differ in another "
            "run; for the same digits train in a process of its own"
        )


_XLA_DETERMINISM = "--xla_gpu_deterministic_ops=true"


def _make_jax_repeat() -> None:
    """Ask XLA for operations that repeat on a GPU; on a CPU its results repeat anyway.

    XLA reads its flags once, when JAX first looks for devices, which importing Keras does not do.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if _XLA_DETERMINISM.split("=", maxsplit=1)[0] not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {_XLA_DETERMINISM}".strip()
