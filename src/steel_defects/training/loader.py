"""Batches of examples, read by threads and free of any Keras backend.

What a batch holds depends on the seed, the epoch and its number alone, never on the thread count
or on which batches were read before; so training can stop and go on anywhere.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from os import cpu_count
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
#: Picture, score target and mask target of one example; a model takes of the targets what it needs.
Example = dict[str, Array]
Batch = dict[str, Array]
ReadExample = Callable[[int, np.random.Generator], Example]
ChooseExamples = Callable[[np.random.Generator], Sequence[int]]

T = TypeVar("T")

_AHEAD = 3  # batches read before they are asked for


class Loader:
    """Reads batches of examples in the background."""

    def __init__(
        self,
        read: ReadExample,
        choose: ChooseExamples,
        batch_size: int,
        seed: int,
        threads: int = 0,
    ) -> None:
        """Set up a loader.

        Args:
            read: Reads example number i; all chance comes from the generator it is given.
            choose: Draws an epoch's example numbers, in order.
            batch_size: Examples a batch.
            seed: Decides order and augmentation.
            threads: Threads that read; 0 for one a core.
        """
        self._read, self._choose, self._batch_size = read, choose, batch_size
        self._seed, self._threads = seed, threads or cpu_count()

    def epoch(self, number: int) -> Iterator[Batch]:
        """Yield the batches of an epoch; the last is filled up from the epoch's first examples.

        Batches of one size keep the network from being compiled twice.
        """
        order = list(self._choose(np.random.default_rng([self._seed, number])))
        short = -len(order) % self._batch_size
        order += [order[i % len(order)] for i in range(short)]
        with ThreadPoolExecutor(self._threads) as pool:
            waiting: deque[list[Future[Example]]] = deque()
            for first in range(0, len(order), self._batch_size):
                places = range(first, first + self._batch_size)
                waiting.append([pool.submit(self._example, number, p, order[p]) for p in places])
                if len(waiting) > _AHEAD:
                    yield stack([future.result() for future in waiting.popleft()])
            while waiting:
                yield stack([future.result() for future in waiting.popleft()])

    def _example(self, epoch: int, place: int, index: int) -> Example:
        return self._read(index, np.random.default_rng([self._seed, epoch, place]))


def stack(examples: Sequence[Example]) -> Batch:
    """Join examples of equal shapes into a batch."""
    return {key: np.stack([example[key] for example in examples]) for key in examples[0]}


def read_in_order(read: Callable[[int], T], count: int, threads: int = 0) -> Iterator[T]:
    """Read items 0 to count - 1 with threads, a few ahead of the one asked for."""
    with ThreadPoolExecutor(threads or cpu_count()) as pool:
        waiting: deque[Future[T]] = deque()
        for index in range(count):
            waiting.append(pool.submit(read, index))
            if len(waiting) > 4 * (threads or cpu_count() or 1):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
