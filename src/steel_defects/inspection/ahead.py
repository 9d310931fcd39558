"""Working ahead in threads, with the order kept and never far ahead."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

from steel_defects.inspection.cascade import Cascade, InspectedSheet
from steel_defects.inspection.frames import Frame

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Pictures that are read ahead of the networks, at most.
READ_AHEAD = 16


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], threads: int, ahead: int
) -> Iterator[Result]:
    """Do some work on each item in threads, and hand the results on in the items' order.

    Args:
        work: What is done to an item.
        items: Taken from the caller's thread, as many as may be worked on.
        threads: Number of threads; 1 works in threads as well, 0 without any.
        ahead: Most results that wait for their turn, and so most that are in memory.
    """
    if threads == 0:
        yield from map(work, items)
        return
    pool = ThreadPoolExecutor(threads)
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def judge_in_order(
    cascade: Cascade, frames: Iterable[Frame], frame_before: str, threads: int
) -> Iterator[tuple[Frame, InspectedSheet]]:
    """Judge frames, each with the digest of the one before it.

    Args:
        cascade: Judges them.
        frames: In the order in which the camera took them.
        frame_before: Digest of the frame before the first.
        threads: Sheets judged at a time; 1 judges them in the caller's thread.
    """

    def judge(pair: tuple[Frame, Frame]) -> tuple[Frame, InspectedSheet]:
        return pair[1], cascade.judge(pair[1], pair[0].digest)

    def chain() -> Iterator[Frame]:
        yield Frame("", None, frame_before)
        yield from frames

    # pairwise takes the next frame only when it is asked for it: a watched folder can wait.
    return in_order(judge, pairwise(chain()), 0 if threads == 1 else threads, threads)
