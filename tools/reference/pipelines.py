"""The page of pipelines: their nodes, what these take and what they make."""

from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from steel_defects.models.config import ARCHITECTURES, BACKBONES
from steel_defects.pipeline_registry import create_pipelines
from steel_defects.selection import EVERYTHING
from tools.reference.docstrings import first_sentence
from tools.reference.markdown import GENERATED, codes, table

#: With the nodes of whatever can be chosen.
PIPELINES = create_pipelines(EVERYTHING)

_ABOUT = """# Pipelines

`kedro run --pipelines=NAME` runs one of them, `kedro run` alone the first. `{backbone}` stands for
{backbones}; `{architecture}` for {architectures}; `{model}` for any of both. Datasets are described
under [Datasets](datasets.md), `params:` under [Parameters](parameters.md).

A run has the nodes of what its parameters choose and no others: those of the `backbones` and
`architectures` that are listed, those of the gate where there is a backbone, those of
cross-validation for the models that are to be cross-validated, those of robustness where
`reporting.robustness_sheets` is above 0, those of the comparison of runs where `compare` names a
version, and those of learning curves for the models that `learning_curve.models` lists.
"""


#: Datasets that backbones and architectures have in the same form.
_OF_EVERY_MODEL = ("learning_curve",)


def pipelines_page() -> str:
    """Return the page."""
    about = _ABOUT.replace("{backbones}", codes(BACKBONES))
    parts = [GENERATED, about.replace("{architectures}", codes(ARCHITECTURES))]
    default = PIPELINES["__default__"]
    parts.append(f"## `__default__`\n\n{_sources(default)}\n")
    for name, pipeline in PIPELINES.items():
        if name != "__default__":
            parts.append(f"## `{name}`\n\n{_nodes(pipeline)}")
    return "\n".join(parts)


def general(name: str) -> str:
    """Put a placeholder for the backbone or architecture in a name: ``{backbone}.classifier``."""
    start, dot, rest = name.removeprefix("params:").partition(".")
    prefix = "params:" if name.startswith("params:") else ""
    if dot and start in (*BACKBONES, *ARCHITECTURES) and rest in _OF_EVERY_MODEL:
        return f"{prefix}{{model}}.{rest}"
    if dot and start in BACKBONES:
        return f"{prefix}{{backbone}}.{rest}"
    if dot and start in ARCHITECTURES:
        return f"{prefix}{{architecture}}.{rest}"
    return name


def _sources(pipeline: Pipeline) -> str:
    """Which pipelines it is put together from."""
    tags = sorted({tag for node in pipeline.nodes for tag in node.tags})
    order = [name for name in PIPELINES if name in tags]
    return f"{', then '.join(f'`{name}`' for name in order)}: from raw data to the report."


def _nodes(pipeline: Pipeline) -> str:
    rows: dict[str, tuple[str, ...]] = {}
    for node in pipeline.nodes:
        rows.setdefault(general(node.name), _row(node))
    return table(("node", "what it does", "takes", "makes"), rows.values())


def _row(node: Node) -> tuple[str, ...]:
    return (
        codes([general(node.name)]),
        first_sentence(node.func),
        codes(dict.fromkeys(map(general, node.inputs))),
        codes(dict.fromkeys(map(general, node.outputs))),
    )
