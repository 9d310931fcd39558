"""Batches of examples, read by threads and free of any Keras backend.

What a batch holds depends on the seed, the epoch and its number alone, never on the thread count
or on which batches were read before; so training can stop and go on anywhere.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Generic, TypeVar

import numpy as np

from steel_defects.threads import core_count, map_in_order
from steel_defects.training.data.batches import Assembly, Batch, Example, Memory

S = TypeVar("S")
T = TypeVar("T")

_AHEAD = 3  # batches read before they are asked for
_MOST_AT_ONCE = 16


class Loader(Generic[T]):
    """Reads batches of examples in the background."""

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
        """Set up a loader.

        Args:
            read: Reads what was chosen: one example, or a list of ``per_read`` of them, such as the
                windows of one sheet; all chance comes from the generator it is given.
            choose: Draws what an epoch reads, in order.
            batch_size: Examples a batch.
            seed: Decides order and augmentation.
            threads: Threads that read; 0 for one a core.
            per_read: Examples that one call of ``read`` returns.
            batches: Batches an epoch; None for as many as hold all that was chosen.
        """
        self._read, self._choose, self._batch_size = read, choose, batch_size
        self._seed, self._threads, self._per_read = seed, threads or core_count(), per_read
        self._batches = batches
        self._memory = Memory()

    def epoch(self, number: int) -> Iterator[Batch]:
        """Yield the batches of an epoch; the last is filled up from the epoch's first examples.

        Batches of one size keep the network from being compiled twice.
        """
        order = self._choose(np.random.default_rng([self._seed, number]))
        batches = self._batches or -(-len(order) * self._per_read // self._batch_size)
        places = -(-batches * self._batch_size // self._per_read)
        at_once = self._reads_at_once()
        assembly = Assembly(self._batch_size, batches, self._memory)

        def fill(task: int) -> None:
            for place in range(places)[task * at_once : (task + 1) * at_once]:
                self._read_into(assembly, order[place % len(order)], number, place)

        ahead = -(-_AHEAD * self._batch_size // (at_once * self._per_read))
        # Reads that still wait are given up when the reader stops early.
        with closing(
            map_in_order(fill, range(-(-places // at_once)), self._threads, ahead)
        ) as done:
            written = 0
            for batch in range(batches):
                while written < (batch + 1) * self._batch_size:
                    next(done)
                    written += at_once * self._per_read
                yield assembly.take(batch)

    def _reads_at_once(self) -> int:
        """Handing out work costs as much as a window from a cache, so a thread gets several."""
        share = self._batch_size // (self._per_read * self._threads)
        return min(max(share, 1), _MOST_AT_ONCE)

    def _read_into(self, assembly: Assembly, chosen: T, epoch: int, place: int) -> None:
        found = self._read(chosen, np.random.default_rng([self._seed, epoch, place]))
        for number, example in enumerate(found if isinstance(found, list) else [found]):
            assembly.put(place * self._per_read + number, example)
