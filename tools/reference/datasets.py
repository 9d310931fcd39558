"""The page of datasets: file, layer, who makes and reads each, and the columns of tables."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandera.pandas as pa
import yaml

from steel_defects import tables as schemas
from tools.reference.docstrings import source_comments
from tools.reference.markdown import GENERATED, code, codes, table
from tools.reference.pipelines import PIPELINES, general

_ABOUT = """# Datasets and their columns

Every dataset of the catalog, as `conf/base/catalog_*.yml` declares it. Files lie below the
environment's data folder (`data/`, `data/demo`, …) or, where it is named, in the folder that a
runtime parameter gives. Tables are checked against these columns when they are saved and
loaded. What columns mean, and the contents of files that are no tables, is told in
[Datasets](../datasets.md).
"""

#: Units by the ending, or a part, of a column's name.
_UNITS = (
    (r"_px$|^(x|y|width|height)$|^input_(height|width)$", "pixels"),
    (r"_mm2$", "mm²"),
    (r"_mm$", "mm"),
    (r"_deg$", "degrees"),
    (r"_ns$", "ns since 1970"),
    (r"^ms_|_ms$", "ms"),
    (r"^seconds$|_seconds$", "s"),
    (r"_per_second$", "1/s"),
    (r"_mb$", "MB"),
    (r"^bytes$", "bytes"),
    (r"^mean_intensity$|^contrast$", "gray values"),
    (r"_fraction$|_share$|_near$", "share"),
    (r"^percentile$", "percent"),
    (r"_at$", "UTC"),
)


def datasets_page(conf: Path) -> str:
    """Return the page."""
    parts = [GENERATED, _ABOUT]
    made, read = _makers_and_readers()
    comments = _schema_comments()
    for layer, entries in _by_layer(conf).items():
        parts.append(f"## {layer.replace('_', ' ').capitalize()}\n")
        for name, entry in entries.items():
            parts.append(_section(name, entry, made.get(name, []), read.get(name, []), comments))
    return "\n".join(parts)


def catalog_entries(conf: Path) -> dict[str, dict[str, Any]]:
    """Return the entries of the catalog, with patterns as such and nothing resolved."""
    found: dict[str, dict[str, Any]] = {}
    for file in sorted((conf / "base").glob("catalog_*.yml")):
        found |= yaml.safe_load(file.read_text(encoding="utf-8"))
    return {name: entry for name, entry in found.items() if not name.startswith("_")}


def _by_layer(conf: Path) -> dict[str, dict[str, dict[str, Any]]]:
    order = ("raw", "intermediate", "primary", "model_input", "models", "model_output")
    found: dict[str, dict[str, dict[str, Any]]] = {layer: {} for layer in order}
    for name, entry in catalog_entries(conf).items():
        found.setdefault(entry["metadata"]["kedro-viz"]["layer"], {})[name] = entry
    return {layer: entries for layer, entries in found.items() if entries}


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


def _section(
    name: str, entry: dict[str, Any], made: list[str], read: list[str], comments: dict[str, str]
) -> str:
    facts = [code(_file(str(entry["filepath"]))), code(entry["type"].rsplit(".", 1)[-1])]
    if entry.get("versioned"):
        facts.append("a version a run")
    lines = [f"### {code(name)}\n", "; ".join(facts) + "."]
    if made:
        lines.append(f"Made by {codes(made)}.")
    if read:
        lines.append(f"Read by {codes(read)}.")
    text = "\n".join(lines) + "\n"
    if validator := entry.get("validator"):
        schema_name = validator["class"].rsplit(".", 1)[-1]
        about = comments.get(schema_name, "")
        text += f"\n{about}\n\n" if about else "\n"
        text += table(("column", "type", "unit", "range"), _columns(_schema(validator["class"])))
    return text


def _file(filepath: str) -> str:
    """Name the runtime parameter, and leave the data root out."""
    short = re.sub(r"\$\{runtime_params:(\w+),\$\{globals:\w+\}\}", r"\1", filepath)
    return short.replace("${globals:data_root}/", "")


def _schema(path: str) -> pa.DataFrameSchema:
    module, name = path.rsplit(".", 1)
    schema: pa.DataFrameSchema = getattr(importlib.import_module(module), name)
    return schema


def _columns(schema: pa.DataFrameSchema) -> Iterator[tuple[str, ...]]:
    for name, column in schema.columns.items():
        unit = next((unit for pattern, unit in _UNITS if re.search(pattern, str(name))), "")
        yield code(name), _type(str(column.dtype)), unit, _range(column)


def _type(dtype: str) -> str:
    names = {"int64": "whole number", "Int64": "whole number", "float64": "number", "bool": "truth"}
    return names.get(dtype, "text" if "str" in dtype else "object" if dtype == "object" else dtype)


def _range(column: pa.Column) -> str:
    words = [words for check in column.checks if (words := _words(check))]
    if column.unique:
        words.append("unique")
    if column.nullable:
        words.append("may be null")
    return ", ".join(words)


def _words(check: pa.Check) -> str:
    given = check.statistics or {}
    if "allowed_values" in given:
        return " or ".join(code(value) for value in given["allowed_values"])
    if check.name == "str_length":
        least, most = given.get("min_value"), given.get("max_value")
        return f"{least} letters" if least == most else "not empty"
    signs = {"greater_than_or_equal_to": "≥", "less_than_or_equal_to": "≤"}
    if check.name in signs:
        return f"{signs[check.name]} {next(iter(given.values())):g}"
    if check.name == "in_range":
        return f"≥ {given['min_value']}, ≤ {given['max_value']}"
    return "list of whole numbers" if check.name is None or "lambda" in check.name else ""


def _schema_comments() -> dict[str, str]:
    folder = Path(schemas.__file__).parent
    found: dict[str, str] = {}
    for file in sorted(folder.glob("*.py")):
        found |= source_comments(file)
    return found
