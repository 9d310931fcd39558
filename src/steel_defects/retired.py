"""Parameters of earlier releases that nobody sets any more: features that went, and constants."""

from collections.abc import Iterator, Sequence
from typing import Any

from steel_defects.errors import SteelDefectsError
from steel_defects.models.config import ARCHITECTURES, BACKBONES

_RATES = "train at a few values of learning_rate, and compare"
_BLACKOUT = "segmentation.copy_paste_share shows defects on other steel"
_WHOLE = "head.statistics: [mean, max, std, top] sees small defects, too"

#: By dotted name: what it may still say, since that holds now, and what to do instead of the rest.
RETIRED: dict[str, tuple[tuple[Any, ...], str]] = {
    "classification.blackout_share": ((0,), _BLACKOUT),
    "classification.head.pooling": (("features",), _WHOLE),
    "cross_validation.scratch_repeats": ((None,), "set cross_validation.repeats for all backbones"),
    "segmentation.blackout_share": ((0,), _BLACKOUT),
    "segmentation.finish": ((None,), "make data_engineering.tile_size larger"),
    "segmentation.search": ((None,), _RATES),
    "{backbone}.training.backbone.stride": ((32,), "make input_size twice as large"),
    "{backbone}.training.blackout_share": ((None, 0), _BLACKOUT),
    "{backbone}.training.head.pooling": (("features",), _WHOLE),
}


def take_out_retired(parameters: dict[str, Any]) -> list[str]:
    """Take retired parameters out of others, in place.

    Returns:
        The names of those that were there.

    Raises:
        SteelDefectsError: One has a value that can no longer be had.
    """
    names = []
    for name, values, remedy in _named():
        *groups, last = name.split(".")
        inner: Any = parameters
        for group in groups:
            inner = inner.get(group) if isinstance(inner, dict) else None
        if not isinstance(inner, dict) or last not in inner:
            continue
        value = inner.pop(last)
        if value not in values:
            raise SteelDefectsError(f"{name} can no longer be set to {value}: {remedy}")
        names.append(name)
    return names


def note_on(names: Sequence[str]) -> str:
    """Say that retired parameters were taken out."""
    return f"no parameters any more, and taken out: {', '.join(names)}; see CHANGELOG.md, Upgrade"


def _named() -> Iterator[tuple[str, tuple[Any, ...], str]]:
    """Yield each name once for each backbone or architecture that it stands for."""
    for name, (values, remedy) in RETIRED.items():
        owners = ARCHITECTURES if "{architecture}" in name else BACKBONES
        for owner in owners if "{" in name else ("",):
            yield name.format(backbone=owner, architecture=owner), values, remedy
