"""Showing how far long work has come."""

import logging
import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

logger = logging.getLogger(__name__)

T = TypeVar("T")

_LINES = 10  # that are logged where there is no terminal to draw a bar in


def track(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    """Pass items on and show how many of them are done.

    In a terminal this is a progress bar, elsewhere (a log file, CI) a line each tenth. The label
    says what is done to them, such as ``"reading sheets"``.
    """
    if not sys.stderr.isatty():
        step = max(500, -(-total // _LINES))
        for done, item in enumerate(items, start=1):
            yield item
            if done % step == 0:
                logger.info("%s: %d of %d", label, done, total)
        return
    with progress_bar() as bar:
        task = bar.add_task(label, total=total)
        for item in items:
            yield item
            bar.advance(task)


def duration(seconds: float) -> str:
    """Say how long something takes, such as ``40 s``, ``12 min`` or ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def progress_bar() -> Progress:
    """Return the bar in which a terminal shows work; it disappears when that is done."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
