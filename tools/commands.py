"""The commands that README and docs show."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[1]
_START = re.compile(r"^(?:[A-Z_]+=\S+ )?(?:\.venv/bin/)?(kedro|make|python|pip|pytest|ruff|bash) ")


def documented_commands() -> list[str]:
    """Return every command of README, CONTRIBUTING and docs, once."""
    commands: dict[str, None] = {}
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    for page in pages:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        for line in text.splitlines():
            if _START.match(line.strip()) and not line.startswith("|"):
                command = plain(line)
                if not command.endswith("."):
                    commands[command] = None
    return list(commands)


def plain(line: str) -> str:
    """Leave out the comment after a command, the path of the environment, and doubled blanks."""
    command = re.sub(r"\s+#\s.*$", "", line.strip())
    return " ".join(command.replace(".venv/bin/", "").split())


def options(command: str) -> dict[str, str]:
    """Return the options of a command, such as ``{"env": "demo"}``."""
    words = shlex.split(command)
    found: dict[str, str] = {}
    for number, word in enumerate(words):
        if word.startswith("--"):
            name, sign, value = word[2:].partition("=")
            follows = words[number + 1] if number + 1 < len(words) else ""
            found[name] = value if sign else ("" if follows.startswith("-") else follows)
    return found
