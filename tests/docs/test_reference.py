"""The reference that is generated with the docs: complete."""

import re
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
import yaml
from kedro.config import OmegaConfigLoader
from pydantic import Field, PositiveInt
from tools.reference import ROOT, pages
from tools.reference.datasets import catalog_entries
from tools.reference.docstrings import attributes
from tools.reference.pipelines import PIPELINES, general
from tools.reference.ranges import allowed

from steel_defects.models.config import BACKBONES, UNetConfig


@pytest.fixture(scope="module")
def current() -> dict[str, str]:
    return pages()


def leaves(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def test_every_parameter_of_conf_is_there(current: dict[str, str]) -> None:
    conf = OmegaConfigLoader(str(ROOT / "conf"), base_env="base", default_run_env="base")
    rows = set(re.findall(r"^\| `([^`]+)`", current["parameters.md"], re.MULTILINE))
    prefixes = (*(f"{name}." for name in rows if name.count(".")),)
    missing = []
    for name in leaves(conf["parameters"]):
        start, _, rest = name.partition(".")
        backbone = start.removeprefix("unet_")
        shared = "{backbone}." if start in BACKBONES else "unet_{backbone}."
        # A backbone's head, and the keys of a mapping, are told by the row of the group.
        names = (name, shared + rest if backbone in BACKBONES else name, "{architecture}." + rest)
        if name.endswith((".network.name", ".backbone.name")):  # the namespace's
            continue
        if not rows & set(names) and not any(n.startswith(prefixes) for n in names):
            missing.append(name)
    assert missing == []


def test_every_parameter_has_a_range_and_a_meaning(current: dict[str, str]) -> None:
    rows = [
        line.replace("\\|", "/").split("|")[1:-1]
        for line in current["parameters.md"].splitlines()
        if line.startswith("| `")
    ]
    assert len(rows) > 120
    assert [row[0] for row in rows if not row[2].strip() or not row[3].strip()] == []


def test_every_dataset_is_there(current: dict[str, str]) -> None:
    names = set(re.findall(r"^### `([^`]+)`", current["datasets.md"], re.MULTILINE))
    assert set(catalog_entries(ROOT / "conf")) == names
    used = {general(name) for pipeline in PIPELINES.values() for name in pipeline.datasets()}
    assert {n for n in used if not n.startswith("params:") and n != "parameters"} <= names


def test_columns_are_those_of_the_schema(current: dict[str, str]) -> None:
    section = current["datasets.md"].split("### `verdicts`")[1].split("###")[0]
    assert "| `verdict` | text |  | `accept` or `review` or `reject` |" in section
    assert "| `position_mm` | number | mm | may be null |" in section


def test_every_node_is_there(current: dict[str, str]) -> None:
    for name, pipeline in PIPELINES.items():
        for node in pipeline.nodes:
            assert f"| `{general(node.name)}` |" in current["pipelines.md"], (name, node.name)


def test_ranges_are_told_in_words() -> None:
    assert allowed(PositiveInt) == "whole number, > 0"
    assert allowed(tuple[PositiveInt, ...] | None) == "list of: whole number, > 0 or null"
    share = Annotated[float, Field(ge=0, le=1)]
    assert allowed(tuple[share, share]) == "list of 2: number, ≥ 0, ≤ 1"


def test_meanings_are_inherited() -> None:
    found = attributes(UNetConfig)
    assert found["dropout"].startswith("Share of the channels")
    assert "resolution of the stem" in found["filters"]


def test_defaults_are_those_of_conf(current: dict[str, str]) -> None:
    values = yaml.safe_load(
        (ROOT / "conf" / "base" / "parameters_inspection.yml").read_text(encoding="utf-8")
    )
    share = values["inspection"]["black_share"]
    assert (
        f"| `inspection.black_share` | `{share}` | number, > 0, ≤ 1 |" in current["parameters.md"]
    )
