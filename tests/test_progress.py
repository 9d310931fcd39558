import io
import logging

from steel_defects import progress
from steel_defects.progress import track


def test_without_a_terminal_tenths_are_logged(caplog):
    caplog.set_level(logging.INFO, logger=progress.__name__)
    assert list(track(iter(range(10_000)), 10_000, "reading sheets")) == list(range(10_000))
    assert len(caplog.messages) == 10
    assert caplog.messages[0] == "reading sheets: 1000 of 10000"


def test_short_work_is_not_logged(caplog):
    caplog.set_level(logging.INFO, logger=progress.__name__)
    assert list(track("abc", 3, "reading sheets")) == ["a", "b", "c"]
    assert caplog.messages == []


def test_in_a_terminal_a_bar_is_drawn(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    assert list(track(range(5), 5, "reading sheets")) == [0, 1, 2, 3, 4]
    assert "reading sheets" in terminal.getvalue()
