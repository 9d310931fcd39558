"""Spreading each batch over all devices of a machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import keras

from steel_defects.errors import SteelDefectsError
from steel_defects.training.config import Devices

T = TypeVar("T")


@contextmanager
def spread_over(devices: Devices, batch_size: int) -> Iterator[None]:
    """Train models that are built inside on one device, or on all of the machine.

    Each device holds all weights and computes the gradient of its share of a batch; the step is
    that of their mean. With JAX, losses and batch norm see the batch as a whole, as on one device;
    with TensorFlow, each device's share by itself.

    Args:
        devices: ``all`` or 1; ``all`` means accelerators where there are any, else processors.
        batch_size: Examples a step.

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
        with _mirrored(names):
            yield
        return
    with keras.distribution.DataParallel(devices=names, auto_shard_dataset=False).scope():
        yield


@contextmanager
def _mirrored(names: list[str]) -> Iterator[None]:
    import tensorflow

    # The usual collectives may meet in another order on each processor, and then fail.
    reduction = tensorflow.distribute.ReductionToOneDevice()
    with tensorflow.distribute.MirroredStrategy(names, reduction).scope():
        yield


def shares_of(values: T) -> T:
    """Divide arrays, such as a batch and its targets, among the devices that they are spread over.

    Args:
        values: Arrays, all of one length, in lists, tuples and dictionaries; None stays None.

    Returns:
        What ``train_on_batch`` takes. Keras with JAX divides batches itself.
    """
    if keras.backend.backend() != "tensorflow":
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
    if keras.backend.backend() != "tensorflow":
        return model
    if model.distribute_strategy.num_replicas_in_sync == 1:
        return model
    return keras.Model(model.inputs, model.outputs, name=model.name)
