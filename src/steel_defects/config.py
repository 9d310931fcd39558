"""The bases of parameter groups and of saved records."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

#: A number from 0 to 1; NaN, which YAML can write, is none.
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Config(BaseModel):
    """A parameter group: unknown names are refused, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Record(BaseModel):
    """What a run saves as JSON; a later release may have added values, which are ignored.

    ``record["name"]`` works like ``record.name``, for notebooks written for dictionaries.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    def __getitem__(self, name: str) -> Any:
        if name not in type(self).model_fields:
            raise KeyError(name)
        return getattr(self, name)
