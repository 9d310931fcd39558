"""What a type hint of a parameter allows, in words."""

from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel

_PLAIN = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    NoneType: "null",
}
_SIGNS = ((Ge, "≥", "ge"), (Gt, ">", "gt"), (Le, "≤", "le"), (Lt, "<", "lt"))


def allowed(hint: Any, metadata: tuple[Any, ...] = ()) -> str:
    """Describe what a value may be.

    Args:
        hint: Type hint, such as ``tuple[PositiveInt, ...]``.
        metadata: Constraints of it, as pydantic keeps them apart from the hint.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        own = (c for one in arguments[1:] for c in getattr(one, "metadata", (one,)))
        return allowed(arguments[0], (*own, *metadata))
    if origin is None:
        return _single(hint) + _bounds(metadata)
    return _composed(origin, arguments, metadata)


def _single(hint: Any) -> str:
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return "a group"
    return _PLAIN.get(hint, "any value")


def _composed(origin: Any, arguments: tuple[Any, ...], metadata: tuple[Any, ...]) -> str:
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_member(one, metadata) for one in arguments))
    if origin is tuple:
        return _list(arguments) + _length(metadata)
    inner = allowed(arguments[1])
    each = f"for each {_key(arguments[0])}"
    return f"{inner} {each}" if inner.startswith("a group") else f"{each}: {inner}"


def _member(hint: Any, metadata: tuple[Any, ...]) -> str:
    return "null" if hint is NoneType else allowed(hint, metadata)


def _list(arguments: tuple[Any, ...]) -> str:
    if arguments[-1] is Ellipsis:
        return f"list of: {allowed(arguments[0])}"
    return f"list of {len(arguments)}: {allowed(arguments[0])}"


def _key(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(hint))
    return allowed(hint)


def _bounds(metadata: tuple[Any, ...]) -> str:
    signs = [
        f"{sign} {getattr(one, attribute)}"
        for kind, sign, attribute in _SIGNS
        for one in metadata
        if isinstance(one, kind)
    ]
    return f", {', '.join(signs)}" if signs else ""


def _length(metadata: tuple[Any, ...]) -> str:
    least = [one.min_length for one in metadata if isinstance(one, MinLen)]
    most = [one.max_length for one in metadata if isinstance(one, MaxLen)]
    text = f"; {least[0]} at least" if least else ""
    return text + (f"; {most[0]} at most" if most else "")
