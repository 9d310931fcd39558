"""The base of every parameter group."""

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """A parameter group: unknown names are refused, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
