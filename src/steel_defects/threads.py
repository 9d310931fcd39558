"""How many cores this process may use, and work done on them in threads."""

import math
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@cache
def core_count() -> int:
    """Return the cores that affinity and the CPU quotas of its control groups leave to a process.

    Containers and job schedulers set quotas; ``os.cpu_count`` knows nothing of them, and threads
    beyond a quota only take turns.
    """
    quota = cpu_quota(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup"))
    return max(1, math.ceil(min(len(os.sched_getaffinity(0)), quota)))


def cpu_quota(groups: Path, mounted: Path) -> float:
    """Return the CPU time per second that control groups allow; infinity where none has a limit.

    A group's limit holds for the groups in it, too. In a container, the path of a group may be
    that of the host, and is not there: then the top of what is mounted is the container's own.

    Args:
        groups: Lines of ``number:controllers:path``; version 2 names no controllers.
        mounted: Where the groups are mounted.
    """
    try:
        lines = groups.read_text(encoding="utf-8").splitlines()
    except OSError:
        return math.inf
    quotas = [math.inf]
    for _, controllers, path in (line.split(":", 2) for line in lines):
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = mounted / controllers
        group = top / path.strip("/")
        quotas += [_quota_of(one) for one in (group, *group.parents) if one.is_relative_to(top)]
    return min(quotas)


def _quota_of(group: Path) -> float:
    """Read the limit of one group; of version 2 in ``cpu.max``, of version 1 in two files."""
    try:
        if (group / "cpu.max").is_file():
            quota, period = (group / "cpu.max").read_text(encoding="utf-8").split()
        else:
            names = "cpu.cfs_quota_us", "cpu.cfs_period_us"
            quota, period = ((group / name).read_text(encoding="utf-8").strip() for name in names)
        limited = quota != "max" and int(quota) > 0  # version 1 writes -1 for no limit
        return int(quota) / int(period) if limited else math.inf
    except (OSError, ValueError):
        return math.inf


def map_in_order(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    threads: int | None = None,
    ahead: int | None = None,
) -> Generator[Result, None, None]:
    """Do some work on each item in threads, and hand the results on in the items' order.

    Args:
        work: What is done to an item.
        items: Taken in the caller's thread, as many as may be worked on.
        threads: None for one per core; 0 works in the caller's.
        ahead: Most results that wait for their turn, in memory; None for four per thread.
    """
    if threads == 0:
        yield from map(work, items)
        return
    threads = threads or core_count()
    most = 4 * threads if ahead is None else ahead
    pool = ThreadPoolExecutor(threads)
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
