"""The commands that README and docs show, and the page that says what runs each of them."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "commands.md"
_START = re.compile(r"^(?:[A-Z_]+=\S+ )?(?:\.venv/bin/)?(kedro|make|python|pip|pytest|ruff|bash) ")


def documented_commands() -> dict[str, list[str]]:
    """Return every command of README, CONTRIBUTING and docs, with the pages that it stands on."""
    found: dict[str, list[str]] = {}
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    for page in pages:
        if page == PAGE:
            continue
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        for line in text.splitlines():
            if _START.match(line.strip()) and not line.startswith("|"):
                command = plain(line)
                if command.endswith("."):
                    continue
                places = found.setdefault(command, [])
                places += [name] if (name := str(page.relative_to(ROOT))) not in places else []
    return found


def plain(line: str) -> str:
    """Leave out the comment after a command, the path of the environment, and doubled blanks."""
    command = re.sub(r"\s+#\s.*$", "", line.strip())
    return " ".join(command.replace(".venv/bin/", "").split())


def listed_commands() -> dict[str, str]:
    """Return what the page says of each command."""
    rows = re.findall(r"^\| `([^`]+)` \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return dict(rows)


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
