"""The page of pipelines: their nodes, what these take and what they make."""

from kedro.framework.project import pipelines
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from steel_defects.models.config import ARCHITECTURES, BACKBONES
from tools.reference.docstrings import first_sentence
from tools.reference.markdown import GENERATED, codes, table

_ABOUT = """# Pipelines

`kedro run --pipelines=NAME` runs one of them, `kedro run` alone the first. `{backbone}` stands for
{backbones}; `{architecture}` for {architectures}. Datasets are described under
[Datasets](datasets.md), `params:` under [Parameters](parameters.md).
"""


def pipelines_page() -> str:
    """Return the page."""
    about = _ABOUT.replace("{backbones}", codes(BACKBONES))
    parts = [GENERATED, about.replace("{architectures}", codes(ARCHITECTURES))]
    default = pipelines["__default__"]
    parts.append(f"## `__default__`\n\n{_sources(default)}\n")
    for name, pipeline in pipelines.items():
        if name != "__default__":
            parts.append(f"## `{name}`\n\n{_nodes(pipeline)}")
    return "\n".join(parts)


def general(name: str) -> str:
    """Put a placeholder for the backbone or architecture in a name: ``{backbone}.classifier``."""
    start, dot, rest = name.removeprefix("params:").partition(".")
    prefix = "params:" if name.startswith("params:") else ""
    if dot and start in BACKBONES:
        return f"{prefix}{{backbone}}.{rest}"
    if dot and start in ARCHITECTURES:
        return f"{prefix}{{architecture}}.{rest}"
    return name


def _sources(pipeline: Pipeline) -> str:
    """Which pipelines it is put together from."""
    tags = sorted({tag for node in pipeline.nodes for tag in node.tags})
    order = [name for name in pipelines if name in tags]
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
