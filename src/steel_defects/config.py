"""The bases of parameter groups and of saved records."""

from collections.abc import Mapping
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: A number from 0 to 1; NaN, which YAML can write, is none.
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Config(BaseModel):
    """A parameter group: unknown names are refused, values cannot change.

    A list may be a text with blanks: the command line gives no lists, its comma ends a parameter.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _split_texts(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        lists = {name for name, field in cls.model_fields.items() if _is_tuple(field.annotation)}
        return {
            name: value.split() if name in lists and isinstance(value, str) else value
            for name, value in values.items()
        }


def _is_tuple(annotation: Any) -> bool:
    return get_origin(annotation) is tuple or any(map(_is_tuple, get_args(annotation)))


class Record(BaseModel):
    """What a run saves as JSON; a later release may have added values, which are ignored.

    ``record["name"]`` works like ``record.name``, for notebooks written for dictionaries.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    def __getitem__(self, name: str) -> Any:
        if name not in type(self).model_fields:
            raise KeyError(name)
        return getattr(self, name)
