"""What docstrings and comments say."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

_ENTRY = re.compile(r"^ {4}(\w+): ")


def first_sentence(function: Callable[..., Any]) -> str:
    """Return the first line of a docstring."""
    return _markdown((inspect.getdoc(function) or "").split("\n", 1)[0].rstrip("."))


def attributes(model: type) -> dict[str, str]:
    """Return what the ``Attributes`` of a class and of those that it inherits from say."""
    found: dict[str, str] = {}
    for parent in reversed(model.__mro__):
        found |= _attributes_of(parent.__dict__.get("__doc__") or "")
    return {name: _markdown(text) for name, text in found.items()}


def _attributes_of(docstring: str) -> dict[str, str]:
    text = inspect.cleandoc(docstring)
    if "Attributes:\n" not in text:
        return {}
    found: dict[str, str] = {}
    name = ""
    for line in text.split("Attributes:\n", 1)[1].splitlines():
        if line and not line.startswith("    "):
            break
        if entry := _ENTRY.match(line):
            name = entry[1]
            found[name] = line[entry.end() :].strip()
        elif name and line.strip():
            found[name] += " " + line.strip()
    return found


def yaml_comments(folder: Path, pattern: str) -> dict[str, str]:
    """Return what comments say of the top-level keys of YAML files.

    A comment on the line of the key counts, and without one the lines just above it.
    """
    found: dict[str, str] = {}
    for file in sorted(folder.glob(pattern)):
        above: list[str] = []
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("#"):
                above.append(line.lstrip("# "))
                continue
            if key := re.match(r'"?([\w.{}]+)"?:', line):
                beside = re.search(r"\s#\s*(.*)$", line)
                found[key[1]] = beside[1] if beside else " ".join(above)
            above = []
    return found


def _markdown(text: str) -> str:
    """Docstrings mark code with two backticks, Markdown with one."""
    return text.replace("``", "`").replace("None ", "null ")
