"""What every runtime offers of a network."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from queue import SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from steel_defects.threads import map_in_order

Sheets = NDArray[np.uint8]
Outputs = list[NDArray[np.float32]]
#: Sides of an array, the batch first; None for one that is open, and empty if the rank is.
Shape = tuple[int | None, ...]
T = TypeVar("T")


class Network(Protocol):
    """A network, whatever runs it.

    Attributes:
        parallel: Calls that it answers at a time; more of them wait.
        inputs: Shape of each input.
        outputs: Shape of each output.
    """

    parallel: int
    inputs: list[Shape]
    outputs: list[Shape]

    def predict(self, sheets: Sheets) -> Outputs:
        """Run the network; may be called from several threads.

        Args:
            sheets: Gray values, ``(batch, height, width, 1)``, uint8.

        Returns:
            Its outputs, float32, maps before what holds for the sheet as a whole.
        """

    def stream(self, batches: Iterable[Sheets]) -> Iterator[Outputs]:
        """Run the network on one batch after the other, and keep ``parallel`` of them going.

        Returns:
            Outputs in the order of the batches; each is valid until the next is asked for.
        """


class Pool(Generic[T]):
    """What answers one call at a time: made when none is free, and used again."""

    def __init__(self, make: Callable[[], T]) -> None:
        """Take what makes one."""
        self._make = make
        self._free: SimpleQueue[T] = SimpleQueue()

    def take(self) -> T:
        """Return one that is free."""
        return self._make() if self._free.empty() else self._free.get()

    def give_back(self, one: T) -> None:
        """Let others take it."""
        self._free.put(one)


def in_order(outputs: Iterable[Any]) -> Outputs:
    """Put maps before what holds for the sheet as a whole; runtimes may have them otherwise."""
    return sorted((np.asarray(one) for one in outputs), key=lambda one: -one.ndim)


def stream_in_threads(network: Network, batches: Iterable[Sheets]) -> Iterator[Outputs]:
    """Stream through :meth:`Network.predict`, a thread for each call that is answered at a time."""
    threads = network.parallel if network.parallel > 1 else 0
    return map_in_order(network.predict, batches, threads, ahead=threads)


def shape_of(sheets: Sheets) -> Sequence[int]:
    """Return the shape of a batch as plain numbers, which runtimes take as they are."""
    return [int(side) for side in sheets.shape]
