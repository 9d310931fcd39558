"""The project's pipelines, a package or a module each."""

from collections.abc import Callable
from typing import Any

from kedro.pipeline import Node


def named_node(
    function: Callable[..., Any], inputs: str | list[str], outputs: str | list[str]
) -> Node:
    """Return a node that is called after its function."""
    return Node(function, inputs, outputs, name=function.__name__)
