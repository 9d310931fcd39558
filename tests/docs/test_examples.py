"""Examples of configuration in the docs, and what README begins with."""

import re
from pathlib import Path
from typing import Any

import yaml
from tools.reference import ROOT

from steel_defects.data.config import DataEngineeringConfig


def blocks(page: Path) -> list[dict[str, Any]]:
    text = page.read_text(encoding="utf-8")
    return [
        yaml.safe_load(re.sub(r"^    ", "", block, flags=re.MULTILINE))
        for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    ]


def test_an_environment_of_one_s_own_is_shown_whole() -> None:
    places, parameters = blocks(ROOT / "docs" / "how-to" / "own_data.md")
    base = yaml.safe_load((ROOT / "conf" / "base" / "globals.yml").read_text(encoding="utf-8"))
    assert places.keys() == base.keys()
    assert {name: places[name] for name in ("sheets_dir", "weights_dir", "models_dir")} == {
        name: base[name] for name in ("sheets_dir", "weights_dir", "models_dir")
    }
    DataEngineeringConfig(**{"seed": 1, **parameters["data_engineering"]})


def test_the_readme_is_short_and_begins_with_a_picture() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 130
    assert (ROOT / re.search(r"\((.*)\)", lines[0])[1]).is_file()
