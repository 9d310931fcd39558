"""What every runtime offers of a network, and what it may use."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from steel_defects.config import Config

Sheets = NDArray[np.uint8]
Outputs = list[NDArray[np.float32]]
#: Sides of an array, the batch first; None for one that is open, and empty if the rank is.
Shape = tuple[int | None, ...]
T = TypeVar("T")


class ExecutionConfig(Config):
    """What a runtime may use.

    Attributes:
        streams: Sheets that are worked on at a time; 1 gives a single sheet all cores, 0 as many as
            the runtime thinks best for throughput.
        threads: Cores in all; 0 for every one.
        device: OpenVINO's name of the device, such as ``CPU``, ``GPU`` or ``AUTO``.
        providers: ONNX Runtime's execution providers, the preferred one first; those that are not
            installed are passed over.
    """

    streams: int = Field(default=0, ge=0)
    threads: int = Field(default=0, ge=0)
    device: str = "CPU"
    providers: tuple[str, ...] = Field(default=("CPUExecutionProvider",), min_length=1)


class Network(ABC):
    """A network, whatever runs it.

    Attributes:
        parallel: Calls that it answers at a time; more of them wait.
        inputs: Shape of each input.
        outputs: Shape of each output.
    """

    parallel: int
    inputs: list[Shape]
    outputs: list[Shape]

    @abstractmethod
    def predict(self, sheets: Sheets) -> Outputs:
        """Run the network; may be called from several threads.

        Args:
            sheets: Gray values, ``(batch, height, width, 1)``, uint8.

        Returns:
            Its outputs, float32, maps before what holds for the sheet as a whole.
        """


class Pool(Generic[T]):
    """Objects that answer one call at a time: made when none is free, and used again."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._free: SimpleQueue[T] = SimpleQueue()

    @contextmanager
    def borrowed(self) -> Iterator[T]:
        """Take one for as long as the block lasts."""
        one = self._make() if self._free.empty() else self._free.get()
        try:
            yield one
        finally:
            self._free.put(one)


def in_order(outputs: Iterable[Any]) -> Outputs:
    """Put maps before what holds for the sheet as a whole; runtimes may have them otherwise."""
    return sorted((np.asarray(one) for one in outputs), key=lambda one: -one.ndim)
