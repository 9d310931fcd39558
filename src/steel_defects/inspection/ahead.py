"""Working ahead in threads, with the order kept and never far ahead."""

from collections.abc import Iterable, Iterator

from steel_defects.inspection.cascade import Cascade, InspectedSheet
from steel_defects.inspection.frames import Frame
from steel_defects.inspection.recent import RecentFrames
from steel_defects.threads import map_in_order

#: Pictures that are read ahead of the networks, at most.
READ_AHEAD = 16


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
    return map_in_order(judge, compared, 0 if threads == 1 else threads, threads)
