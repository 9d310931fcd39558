"""Making a training give the same result each time."""

import keras


def start_afresh(seed: int, deterministic: bool) -> None:
    """Forget earlier models and seed Python, NumPy and the Keras backend.

    Args:
        seed: The seed.
        deterministic: Also have the backend choose operations that repeat bit by bit. Off is not
            honoured once an earlier training of the process has switched it on.
    """
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    if deterministic and keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()
