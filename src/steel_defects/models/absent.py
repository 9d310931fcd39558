"""What takes the place of a model where there is nothing to train it on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class NoModel:
    """A model that was not made.

    Attributes:
        reason: Why not, in one line.
    """

    reason: str
