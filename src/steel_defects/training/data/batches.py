"""Examples, and the batches that reading threads write them into."""

import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

#: Pictures and masks are uint8, a quarter of the memory of float32; networks and losses cast them.
Array = NDArray[Any]
Batch = dict[str, Array]


@dataclass(frozen=True)
class Channels:
    """An array of shape ``(height, width, channels)``, uint8, most of whose channels are all 0.

    Attributes:
        shape: Its shape.
        filled: The channels that are not, by number; each of shape ``(height, width)``.
    """

    shape: tuple[int, int, int]
    filled: Mapping[int, NDArray[np.uint8]]
    dtype: DTypeLike = np.uint8

    def write(self, into: NDArray[np.uint8]) -> None:
        """Copy the filled channels into an array of 0s."""
        for channel, values in self.filled.items():
            into[..., channel] = values


#: Picture, score target and mask target of one example; a model takes of the targets what it needs.
Example = Mapping[str, Array | Channels]


class Assembly:
    """The batches of an epoch, which the reading threads write their examples into.

    So an example is copied while it is in the processor's cache, and not by the one thread that
    trains.
    """

    def __init__(self, batch_size: int, batches: int, memory: "Memory") -> None:
        """Set up batches of a size; nothing is allocated before the first example of a batch."""
        self._batch_size, self._batches, self._memory = batch_size, batches, memory
        self._started: dict[int, Batch] = {}
        self._lock = Lock()

    def put(self, position: int, example: Example) -> None:
        """Write an example to its place in its batch; one beyond the last batch is dropped.

        Raises:
            ValueError: It has another shape than the batch's first one.
        """
        number, slot = divmod(position, self._batch_size)
        if number >= self._batches:
            return
        with self._lock:
            batch = self._started.get(number) or self._start(number, example)
        for key, value in example.items():
            into = batch[key][slot : slot + 1]
            if value.shape != into.shape[1:]:
                raise ValueError(f"{key} has shapes {value.shape} and {into.shape[1:]} in a batch")
            if isinstance(value, Channels):
                value.write(into[0])
            else:
                into[0] = value

    def _start(self, number: int, example: Example) -> Batch:
        self._started[number] = {
            key: self._memory.zeros((self._batch_size, *value.shape), value.dtype)
            for key, value in example.items()
        }
        return self._started[number]

    def take(self, number: int) -> Batch:
        """Hand over a batch all of whose examples are written."""
        return self._started.pop(number)


class Memory:
    """Memory that is used again once no array refers to it.

    The system takes longer to provide fresh pages for a batch than it takes to fill them.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._free: dict[int, list[bytearray]] = {}

    def zeros(self, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """Return an array of 0s; its memory comes back when it and all views of it are gone."""
        size = prod(shape) * np.dtype(dtype).itemsize
        free = self._free.setdefault(size, [])
        # Lists are popped and appended to without a lock: an array may vanish inside any call.
        try:
            block = free.pop()
        except IndexError:
            block = bytearray(size)
        owner = np.frombuffer(block, dtype)
        weakref.finalize(owner, free.append, block).atexit = False
        owner[...] = 0
        return owner.reshape(shape)
