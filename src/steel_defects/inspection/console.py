"""What the person at the terminal sees of inspection, and how they stop it."""

import logging
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self

from steel_defects.decision.reasons import CLEARED
from steel_defects.inspection.cascade import InspectedSheet
from steel_defects.progress import duration, progress_bar

logger = logging.getLogger(__name__)

_QUIET_SECONDS = 5.0  # longest time without a word in the log
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Display:
    """Counts sheets as they are inspected: by a bar on a terminal, else a line every few seconds.

    Use it in a ``with`` statement, with the number of sheets; None where nobody knows.
    """

    def __init__(self, total: int | None) -> None:
        self._total, self._before = total, 0
        self._done = self._cleared = 0
        self._started = self._said = time.monotonic()
        self._bar = progress_bar() if sys.stderr.isatty() else None

    def __enter__(self) -> Self:
        if self._bar:
            self._task = self._bar.add_task("", total=self._total)
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar:
            self._bar.stop()
        if self._done:
            logger.info(self._text())

    def skip(self, sheets: int) -> None:
        """Take note of sheets that an earlier run has inspected."""
        self._before += sheets
        if self._bar:
            self._bar.update(self._task, advance=sheets)

    def count(self, sheet: InspectedSheet) -> None:
        """Count a sheet, and show it now and then."""
        self._done += 1
        self._cleared += sheet.verdict.reason == CLEARED
        if self._bar:
            self._bar.update(self._task, advance=1, description=self._rates())
        elif time.monotonic() - self._said > _QUIET_SECONDS:
            self._said = time.monotonic()
            logger.info(self._text())

    def _text(self) -> str:
        done = self._before + self._done
        counted = f"{done} of {self._total}" if self._total is not None else f"{done}"
        return f"inspected {counted} sheets, {self._rates()}{self._time_left(done)}"

    def _rates(self) -> str:
        rate = self._done / max(time.monotonic() - self._started, 1e-6)
        speed = f"{rate:.1f} a second" if rate >= 1 else f"{60 * rate:.0f} a minute"
        return f"{speed}, {self._cleared / self._done:.0%} cleared by the gate"

    def _time_left(self, done: int) -> str:
        """Say how long the rest takes at the pace so far; the bar of a terminal does so itself."""
        if self._total is None or done >= self._total:
            return ""
        seconds = (self._total - done) * (time.monotonic() - self._started) / self._done
        return f", about {duration(seconds)} left"


class Stop:
    """Whether somebody has asked to stop.

    A plain flag: setting a :class:`threading.Event` inside a signal handler can wait for ever.
    """

    requested = False


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Turn the first SIGINT (Ctrl-C) or SIGTERM into a request; a second one has its usual effect.

    Outside of the main thread, where Python takes no handlers, signals keep their usual effect.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    earlier = {number: signal.getsignal(number) for number in _SIGNALS}

    def restore() -> None:
        for number, handler in earlier.items():
            signal.signal(number, handler)

    def request(number: int, frame: FrameType | None) -> None:
        stop.requested = True
        restore()

    for number in _SIGNALS:
        signal.signal(number, request)
    try:
        yield stop
    finally:
        restore()
