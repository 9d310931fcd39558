"""Nodes whose arguments say by name and type what they take."""

from collections.abc import Sequence
from inspect import Parameter, signature
from typing import Any

from kedro.pipeline import Node, Pipeline
from pydantic import RootModel

from steel_defects.config import Config

_MANY = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def node(function: Any, outputs: str | list[str], *given: str, **inputs: str) -> Node:
    """Make a node named like its function.

    An argument takes the dataset of its name, or the parameters of its name if its type is a group
    of parameters.

    Args:
        function: The function; arguments with a default take nothing unless they are given.
        outputs: What it returns.
        given: Arguments with a default that take the dataset of their name.
        inputs: What other arguments take.
    """
    taken = {}
    for name, argument in signature(function).parameters.items():
        kind = argument.annotation
        grouped = isinstance(kind, type) and issubclass(kind, Config | RootModel)
        if argument.kind not in _MANY and (argument.default is Parameter.empty or name in given):
            taken[name] = f"params:{name}" if grouped else name
    return Node(function, inputs=taken | inputs, outputs=outputs, name=function.__name__)


def namespaced(name: str, nodes: Sequence[Node], private: str) -> Pipeline:
    """Put nodes into a namespace: what they make, and the parameters ``private`` to it.

    All else that they take is shared with other namespaces.
    """
    shared = {one for node in nodes for one in node.inputs} - {private}
    shared -= {one for node in nodes for one in node.outputs}
    parameters = {one for one in shared if one.startswith("params:")}
    return Pipeline(nodes, namespace=name, inputs=shared - parameters, parameters=parameters)
