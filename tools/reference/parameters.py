"""The page of parameters: name, default, range and meaning of each."""

import inspect
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from kedro.config import OmegaConfigLoader
from kedro.pipeline.node import Node
from pydantic import BaseModel, RootModel
from pydantic.fields import FieldInfo

from steel_defects.models.config import BACKBONES, Architectures, Backbones, EncoderConfig
from steel_defects.parameter_hooks import CATALOG_PARAMETERS
from steel_defects.training.config import BackboneTraining, ClassificationConfig
from tools.reference.docstrings import attributes, first_sentence, yaml_comments
from tools.reference.markdown import GENERATED, code, codes, table
from tools.reference.pipelines import PIPELINES
from tools.reference.ranges import allowed

_ABOUT = """# Parameters

Every parameter, with its default in `conf/base`, or in the code where `conf/base` does not name
it. An environment (`conf/demo`, `conf/cpu`, …) names only what differs. A value is changed for
one run by `--params`, as in `--params classification.epochs=5`. `{backbone}` stands for each
backbone, `unet_{backbone}` for each U-Net on one, `{architecture}` for every segmenter. Backbones
and networks also have a `name`, that of their namespace. Types and ranges are checked before
anything runs; an unknown name is refused. What became of parameters of earlier releases stands in
`src/steel_defects/retired.py`.

These are given with the run alone, and say where data lie: """

_NETWORK = ".network"
_SHARED = """## `{architecture}.network`

What more than one kind of network has; what it has besides stands under its own name.

"""
#: Name, range and meaning of a line.
_Key = tuple[str, str, str]


@dataclass(frozen=True)
class Parameter:
    """One line of the page.

    Attributes:
        name: Below its group, such as ``head.units``; empty for a group that is one value.
        default: As in YAML.
        range: What it may be, in words.
        meaning: What it does.
    """

    name: str
    default: str
    range: str
    meaning: str


def parameters_page(conf: Path) -> str:
    """Return the page."""
    comments = yaml_comments(conf / "base", "parameters_*.yml")
    parts = [GENERATED, _ABOUT + codes(CATALOG_PARAMETERS) + ".\n"]
    groups, known = _groups(conf), set()
    shared = _shared_by_networks([group for group in groups if group.title.endswith(_NETWORK)])
    for group in groups:
        if shared and group.title.endswith(_NETWORK):
            parts.append(_SHARED + _table("{architecture}.network", list(shared.values())))
            known, shared = set(shared), {}
        parts.append(_section(group, comments, known))
    return "\n".join(parts)


# --- groups: the parameters that nodes ask for -----------------------------------------------


@dataclass(frozen=True)
class _Group:
    """Parameters of one type.

    Attributes:
        values: The values of ``conf/base`` by the name that nodes ask for.
        hint: Their type.
    """

    values: dict[str, Any]
    hint: Any

    @property
    def title(self) -> str:
        names = list(self.values)
        if len(names) == 1:
            return names[0]
        owner, _, rest = names[0].partition(".")
        return f"{'{backbone}' if owner in BACKBONES else 'unet_{backbone}'}.{rest}"


def _groups(conf: Path) -> list[_Group]:
    loader = OmegaConfigLoader(str(conf), base_env="base", default_run_env="base")
    values = loader["parameters"]
    found: dict[Any, dict[str, Any]] = {}
    for name, hint in sorted(_asked_for().items()):
        value = values
        for part in name.split("."):
            value = value[part]
        kind = _kind(hint, value)
        shared = isinstance(kind, type) and issubclass(kind, BaseModel)
        found.setdefault(kind if shared else name, {})[name] = (value, kind)
    return [
        _Group({n: v for n, (v, _) in group.items()}, next(iter(group.values()))[1])
        for group in found.values()
    ]


def _asked_for() -> dict[str, Any]:
    """Type hints by the name of the parameter."""
    # They decide which nodes there are, whether a node asks for them or not.
    hints: dict[str, Any] = {"architectures": Architectures, "backbones": Backbones}
    for pipeline in PIPELINES.values():
        for node in pipeline.nodes:
            for argument, dataset in _arguments(node).items():
                if dataset.startswith("params:"):
                    found = get_type_hints(node.func, include_extras=True).get(argument, Any)
                    hints.setdefault(dataset.removeprefix("params:"), found)
    # A single value of a group, which some nodes ask for, has its row there.
    return {name: hint for name, hint in hints.items() if name.rpartition(".")[0] not in hints}


def _arguments(node: Node) -> dict[str, str]:
    if isinstance(node._inputs, dict):
        return dict(node._inputs)
    names = [node._inputs] if isinstance(node._inputs, str) else (node._inputs or [])
    return dict(zip(inspect.signature(node.func).parameters, names, strict=False))


def _kind(hint: Any, value: Any) -> Any:
    """Of networks, which one it is."""
    if isinstance(hint, type) and issubclass(hint, RootModel):
        root = hint.model_fields["root"]
        members = [one for one in get_args(root.annotation) if isinstance(one, type)]
        models = [one for one in members if issubclass(one, BaseModel)]
        if models:
            named = (one for one in models if value["name"] in _names(one))
            return next(named)
        return root.annotation
    return hint


def _names(network: type[BaseModel]) -> tuple[str, ...]:
    return tuple(str(name) for name in get_args(network.model_fields["name"].annotation))


# --- sections ---------------------------------------------------------------------------------


def _shared_by_networks(groups: list[_Group]) -> dict[_Key, Parameter]:
    """Return the lines that more than one kind of network has, each once."""
    owners: dict[_Key, dict[str, list[tuple[str, Parameter]]]] = {}
    for group in groups:
        for name, rows in zip(group.values, _all_rows(group), strict=True):
            for row in rows:
                kinds = owners.setdefault(_key(row), {})
                kinds.setdefault(code(group.title.removesuffix(_NETWORK)), []).append((name, row))
    shared = {}
    for key, kinds in owners.items():
        if len(kinds) > 1:
            every = [one for several in kinds.values() for one in several]
            row = _merged([name for name, _ in every], tuple(row for _, row in every))
            of = "" if len(kinds) == len(groups) else f" Of {', '.join(kinds)}."
            shared[key] = replace(row, meaning=row.meaning + of)
    return shared


def _key(row: Parameter) -> _Key:
    return row.name, row.range, row.meaning


def _section(group: _Group, comments: dict[str, str], known: Collection[_Key]) -> str:
    text = f"## {code(group.title)}\n\n"
    if not (isinstance(group.hint, type) and issubclass(group.hint, BaseModel)):
        [(name, value)] = group.values.items()
        row = Parameter("", code(_yaml(value)), allowed(group.hint), comments.get(name, ""))
        return text + _table(group.title, [row])
    text += first_sentence(group.hint) + ".\n\n"
    rows = [_merged(list(group.values), row) for row in zip(*_all_rows(group), strict=True)]
    return text + _table(group.title, [row for row in rows if _key(row) not in known])


def _table(title: str, rows: list[Parameter]) -> str:
    return table(
        ("parameter", "default", "range", "meaning"),
        [
            (
                code(f"{title}.{row.name}" if row.name else title),
                row.default,
                row.range,
                row.meaning,
            )
            for row in rows
        ],
    )


def _all_rows(group: _Group) -> list[list[Parameter]]:
    return [list(_rows(group.hint, value)) for value in group.values.values()]


def _merged(names: list[str], rows: tuple[Parameter, ...]) -> Parameter:
    """One line for several groups; defaults that differ are named after their owners."""
    first = rows[0]
    if len({row.default for row in rows}) == 1:
        return first
    owners = [name.split(".")[0] for name in names]
    defaults = [f"{owner}: {row.default}" for owner, row in zip(owners, rows, strict=True)]
    return Parameter(first.name, ", ".join(defaults), first.range, first.meaning)


def _rows(model: type[BaseModel], value: Any, prefix: str = "") -> Iterator[Parameter]:
    meanings = _meanings(model)
    given = value if isinstance(value, dict) else {}
    for name, field in model.model_fields.items():
        if name == "name" and model is not EncoderConfig:
            continue  # the namespace's
        default = given.get(name, _default(field))
        meaning = meanings.get(name, "")
        yield Parameter(
            prefix + name,
            ""
            if isinstance(default, dict) and _inner(field.annotation)[0]
            else code(_yaml(default)),
            allowed(field.annotation, tuple(field.metadata)),
            meaning,
        )
        inner, key = _inner(field.annotation)
        if inner and not (model is BackboneTraining and name != "backbone"):
            nested = default if not key else {}
            yield from _rows(inner, nested, f"{prefix}{name}.{key}")


def _meanings(model: type[BaseModel]) -> dict[str, str]:
    if model is not BackboneTraining:
        return attributes(model)
    shared = attributes(ClassificationConfig)
    own = {name: f"{text} null: as in `classification`." for name, text in shared.items()}
    return own | {"backbone": "The backbone."}


def _inner(hint: Any) -> tuple[type[BaseModel] | None, str]:
    """The group that a hint speaks of, and under which key it stands in a mapping."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return hint, ""
    found: tuple[type[BaseModel] | None, str] = (None, "")
    arguments = [one for one in get_args(hint) if one is not Ellipsis]
    for one in arguments:
        inner, key = _inner(one)
        if inner:
            found = inner, ("{key}." if get_origin(hint) is dict else "") + key
    return found


def _default(field: FieldInfo) -> Any:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def _yaml(value: Any) -> str:
    """As in YAML, on one line."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False).replace('"', "")
