import logging
import sys

import pytest

from steel_defects.decision.reasons import CLEARED
from steel_defects.decision.verdict import Verdict
from steel_defects.inspection import console
from steel_defects.inspection.cascade import InspectedSheet
from steel_defects.inspection.console import Display


def sheets(count: int) -> list[InspectedSheet]:
    """Every fourth sheet is cleared."""
    reasons = [CLEARED if number % 4 == 0 else "no region" for number in range(count)]
    return [InspectedSheet("a", Verdict("accept", reason), 0.1, (), ("",)) for reason in reasons]


def test_a_line_every_few_seconds(monkeypatch, caplog):
    now = 50.0
    monkeypatch.setattr(console.time, "monotonic", lambda: now)
    with caplog.at_level(logging.INFO), Display(120) as shown:
        shown.skip(100)
        for sheet in sheets(20):
            now += 0.5
            shown.count(sheet)
    assert [record.getMessage() for record in caplog.records] == [
        "inspected 111 of 120 sheets, 2.0 a second, 27% cleared by the gate, about 4 s left",
        "inspected 120 of 120 sheets, 2.0 a second, 25% cleared by the gate",
    ]


@pytest.mark.parametrize(
    ("seconds", "total", "text"),
    [
        (0.5, 20, "2.0 a second, 25% cleared by the gate, about 8 s left"),
        (10, 24, "6 a minute, 25% cleared by the gate, about 3 min left"),
        (30, 604, "2 a minute, 25% cleared by the gate, about 5.0 h left"),
        (1, 10_000, "1.0 a second, 25% cleared by the gate, about 2.8 h left"),
        (30, 4, "2 a minute, 25% cleared by the gate"),
    ],
)
def test_a_line_says_what_time_is_left(monkeypatch, caplog, seconds, total, text):
    now = 50.0
    monkeypatch.setattr(console.time, "monotonic", lambda: now)
    with caplog.at_level(logging.INFO), Display(total) as shown:
        for sheet in sheets(4):
            now += seconds
            shown.count(sheet)
    assert caplog.records[-1].getMessage() == f"inspected 4 of {total} sheets, {text}"


def test_nobody_knows_how_many_sheets_a_camera_will_take(caplog):
    with caplog.at_level(logging.INFO), Display(None) as shown:
        for sheet in sheets(4):
            shown.count(sheet)
    assert caplog.records[-1].getMessage().startswith("inspected 4 sheets, ")


@pytest.mark.parametrize("total", [30, None])
def test_a_bar_on_a_terminal(monkeypatch, capsys, total):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with Display(total) as shown:
        shown.skip(10)
        for sheet in sheets(20):
            shown.count(sheet)
    drawn = capsys.readouterr().err
    assert "25% cleared by the gate" in drawn
    assert ("30/30" if total else "30/?") in drawn
