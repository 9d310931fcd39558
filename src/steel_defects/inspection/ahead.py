"""Working ahead in threads, with the order kept and never far ahead."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from steel_defects.inspection.cascade import Cascade, InspectedSheet
from steel_defects.inspection.frames import Frame
from steel_defects.inspection.recent import RecentFrames

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
    cascade: Cascade, frames: Iterable[Frame], recent: RecentFrames, threads: int
) -> Iterator[tuple[Frame, InspectedSheet]]:
    """Judge frames, each compared with the last ones before it.

    Args:
        cascade: Judges them.
        frames: In the order in which the camera took them.
        recent: The frames before the first.
        threads: Sheets judged at a time; 1 judges them in the caller's thread.
    """

    def judge(frame: Frame) -> tuple[Frame, InspectedSheet]:
        return frame, cascade.judge(frame)

    # The next frame is taken only when it is asked for: a watched folder can wait.
    compared = map(recent.compare, frames)
    return in_order(judge, compared, 0 if threads == 1 else threads, threads)
