"""Ending long work cleanly when somebody asks for it."""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Stop:
    """Whether somebody has asked to stop.

    A plain flag: setting a :class:`threading.Event` inside a signal handler can wait for ever.
    """

    def __init__(self) -> None:
        """Nobody has."""
        self.requested = False


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Turn the first SIGINT (Ctrl-C) or SIGTERM into a request; a second one has its usual effect.

    Outside of the main thread, where Python takes no handlers, signals keep their usual effect.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    earlier = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def request(number: int, frame: FrameType | None) -> None:
        stop.requested = True
        _restore(earlier)

    for number in earlier:
        signal.signal(number, request)
    try:
        yield stop
    finally:
        _restore(earlier)


def _restore(handlers: Mapping[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
