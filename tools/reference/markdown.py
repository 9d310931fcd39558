"""Pieces of Markdown."""

from collections.abc import Iterable, Sequence

GENERATED = (
    "<!-- Written by `python -m tools.reference` from the code and conf/base; "
    "changes made here are lost. -->\n"
)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; bars in cells are escaped."""
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    lines += [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    return "\n".join(lines) + "\n"


def code(text: object) -> str:
    """Set text as code; nothing stays nothing."""
    return f"`{text}`" if str(text) else ""


def codes(names: Iterable[str]) -> str:
    """Set names as code, with commas between them."""
    return ", ".join(map(code, names))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
