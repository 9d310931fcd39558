"""Batches of examples, read by threads and free of any Keras backend.

What a batch holds depends on the seed, the epoch and its number alone, never on the thread count
or on which batches were read before; so training can stop and go on anywhere.
"""

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from math import prod
from threading import Lock
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from steel_defects.threads import core_count, map_in_order

T = TypeVar("T")

_AHEAD = 3  # batches read before they are asked for
_MOST_AT_ONCE = 16

#: Pictures and masks are uint8, a quarter of the memory of float32; networks and losses cast them.
Array = NDArray[Any]
Batch = dict[str, Array]


@dataclass(frozen=True)
class Channels:
    """An array of shape ``(height, width, channels)``, uint8, most of whose channels are all 0.

    ``filled`` holds the others by number, each of shape ``(height, width)``.
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
        self._batch_size, self._batches, self._memory = batch_size, batches, memory
        self._started: dict[int, Batch] = {}
        self._lock = Lock()

    def put(self, position: int, example: Example) -> None:
        """Write an example to its place in its batch; one beyond the last batch is dropped."""
        number, slot = divmod(position, self._batch_size)
        if number >= self._batches:
            return
        with self._lock:
            if number not in self._started:
                self._started[number] = {
                    key: self._memory.zeros((self._batch_size, *value.shape), value.dtype)
                    for key, value in example.items()
                }
            batch = self._started[number]
        for key, value in example.items():
            into = batch[key][slot : slot + 1]
            if value.shape != into.shape[1:]:
                raise ValueError(f"{key} has shapes {value.shape} and {into.shape[1:]} in a batch")
            if isinstance(value, Channels):
                value.write(into[0])
            else:
                into[0] = value

    def take(self, number: int) -> Batch:
        """Hand over a batch all of whose examples are written."""
        return self._started.pop(number)


class Memory:
    """Memory that is used again once no array refers to it.

    The system takes longer to provide fresh pages for a batch than it takes to fill them.
    """

    def __init__(self) -> None:
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


class Loader(Generic[T]):
    """Reads batches of examples in the background.

    Args:
        read: Reads what was chosen: one example, or a list of ``per_read`` of them, such as the
            windows of one sheet; all chance comes from the generator it is given.
        choose: Draws what an epoch reads, in order.
        batch_size: Examples per batch.
        seed: Decides order and augmentation.
        threads: Threads that read; 0 for one per core.
        per_read: Examples that one call of ``read`` returns.
        batches: Batches per epoch; None for as many as hold all that was chosen.
    """

    def __init__(
        self,
        read: Callable[[T, np.random.Generator], Example | list[Example]],
        choose: Callable[[np.random.Generator], Sequence[T]],
        batch_size: int,
        seed: int,
        threads: int = 0,
        per_read: int = 1,
        batches: int | None = None,
    ) -> None:
        self._read, self._choose, self._batch_size = read, choose, batch_size
        self._seed, self._threads, self._per_read = seed, threads or core_count(), per_read
        self._batches, self._memory = batches, Memory()

    def epoch(self, number: int) -> Iterator[Batch]:
        """Yield the batches of an epoch; the last is filled up from the epoch's first examples.

        Batches of one size keep the network from being compiled twice.
        """
        order = self._choose(np.random.default_rng([self._seed, number]))
        batches = self._batches or -(-len(order) * self._per_read // self._batch_size)
        places = -(-batches * self._batch_size // self._per_read)
        # Handing out work costs as much as a window from a cache, so a thread gets several.
        share = self._batch_size // (self._per_read * self._threads)
        at_once = min(max(share, 1), _MOST_AT_ONCE)
        assembly = Assembly(self._batch_size, batches, self._memory)

        def fill(task: int) -> None:
            for place in range(places)[task * at_once : (task + 1) * at_once]:
                rng = np.random.default_rng([self._seed, number, place])
                examples = self._read(order[place % len(order)], rng)
                for n, example in enumerate(examples if isinstance(examples, list) else [examples]):
                    assembly.put(place * self._per_read + n, example)

        ahead = -(-_AHEAD * self._batch_size // (at_once * self._per_read))
        tasks = map_in_order(fill, range(-(-places // at_once)), self._threads, ahead)
        with closing(tasks):  # reads that still wait are given up when the reader stops early
            written = 0
            for batch in range(batches):
                while written < (batch + 1) * self._batch_size:
                    next(tasks)
                    written += at_once * self._per_read
                yield assembly.take(batch)
