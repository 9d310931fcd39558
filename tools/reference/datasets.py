"""The page of datasets: file, layer, who makes and reads each, and the columns of tables."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from steel_defects.tables import declared
from steel_defects.tables.columns import Column, Table
from tools.reference.markdown import GENERATED, code, codes, table
from tools.reference.pipelines import PIPELINES, general

_ABOUT = """# Datasets and their columns

Every dataset of the catalog, as `conf/base/catalog_*.yml` declares it. Files lie below the
environment's data folder (`data/`, `data/demo`, …) or, where it is named, in the folder that a
runtime parameter gives. Tables are checked against these columns when they are saved and
loaded. What columns mean, and the contents of files that are no tables, is told in
[Datasets](../datasets.md).
"""


def datasets_page(conf: Path) -> str:
    """Return the page."""
    parts = [GENERATED, _ABOUT]
    made, read = _makers_and_readers()
    for layer, entries in _by_layer(conf).items():
        parts.append(f"## {layer[3:].replace('_', ' ').capitalize()}\n")  # without its number
        for name, entry in entries.items():
            parts.append(_section(name, entry, made.get(name, []), read.get(name, [])))
    return "\n".join(parts)


def catalog_entries(conf: Path) -> dict[str, dict[str, Any]]:
    """Return the entries of the catalog, with patterns as such and nothing resolved."""
    found: dict[str, dict[str, Any]] = {}
    for file in sorted((conf / "base").glob("catalog_*.yml")):
        found |= yaml.safe_load(file.read_text(encoding="utf-8"))
    return {name: entry for name, entry in found.items() if not name.startswith("_")}


def _by_layer(conf: Path) -> dict[str, dict[str, dict[str, Any]]]:
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name, entry in catalog_entries(conf).items():
        found.setdefault(entry["metadata"]["kedro-viz"]["layer"], {})[name] = entry
    return dict(sorted(found.items()))


def _makers_and_readers() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    made: dict[str, list[str]] = {}
    read: dict[str, list[str]] = {}
    for node in PIPELINES["__default__"].nodes + _others():
        for names, found in ((node.outputs, made), (node.inputs, read)):
            for dataset in map(general, names):
                nodes = found.setdefault(dataset, [])
                if general(node.name) not in nodes:
                    nodes.append(general(node.name))
    return made, read


def _others() -> list[Any]:
    known = {node.name for node in PIPELINES["__default__"].nodes}
    return [
        node for pipeline in PIPELINES.values() for node in pipeline.nodes if node.name not in known
    ]


def _section(name: str, entry: dict[str, Any], made: list[str], read: list[str]) -> str:
    facts = [code(_file(str(entry["filepath"]))), code(entry["type"].rsplit(".", 1)[-1])]
    if entry.get("versioned"):
        facts.append("one version per run")
    lines = [f"### {code(name)}\n", "; ".join(facts) + "."]
    if made:
        lines.append(f"Made by {codes(made)}.")
    if read:
        lines.append(f"Read by {codes(read)}.")
    text = "\n".join(lines) + "\n"
    if validator := entry.get("validator"):
        declaration: Table = getattr(declared, validator["class"].rsplit(".", 1)[-1].upper())
        heads = ("column", "type", "unit", "range")
        text += f"\n{declaration.about}\n\n" + table(heads, _columns(declaration))
    return text


def _file(filepath: str) -> str:
    """Name the runtime parameter, and leave the data root out."""
    short = re.sub(r"\$\{runtime_params:(\w+),\$\{globals:\w+\}\}", r"\1", filepath)
    short = short.replace("${globals:data_root}/", "")
    return re.sub(r"\$\{parameter:([\w.]+),[^}]+\}", r"\1", short)


def _columns(declaration: Table) -> Iterator[tuple[str, ...]]:
    for name, column in declaration.columns.items():
        key = declaration.unique == (name,)
        kind = _TYPES.get(column.dtype, column.dtype)
        limits = ", ".join(_limits(column, key))
        yield code(name), kind, column.unit, "; ".join(filter(None, (limits, column.about)))


_TYPES = {
    "int64": "whole number",
    "float64": "number",
    "bool": "truth",
    "str": "text",
    "object": "object",
}


def _limits(column: Column, key: bool) -> Iterator[str]:
    low, high = column.low, column.high
    if column.values:
        yield " or ".join(map(code, column.values))
    elif column.dtype == "str" and low:
        yield f"{low} letters" if low == high else "not empty"
    elif column.dtype == "object" and low is not None:
        yield "list of whole numbers"
    else:
        yield from (
            f"{sign} {limit:g}" for sign, limit in (("≥", low), ("≤", high)) if limit is not None
        )
    if key:
        yield "unique"
    if column.nullable:
        yield "may be null"
