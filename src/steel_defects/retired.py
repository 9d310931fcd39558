"""Parameters of earlier releases that nobody sets any more: features that went, and constants."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from steel_defects.errors import SteelDefectsError
from steel_defects.models.config import ARCHITECTURES, BACKBONES

_CONSTANT = "it is always {value}; take it out"
_SHARED = "set it in classification, for all backbones"
_THREADS = "it is one a core; give the process fewer cores, with taskset or a CPU quota"
_RATES = "train at a few values of learning_rate, and compare"
_BLACKOUT = "segmentation.copy_paste_share shows defects on other steel"
_WHOLE = "head.statistics: [mean, max, std, top] sees small defects, too"

_NAMED = 8  # in a note, which a record of an earlier release makes long

#: By dotted name: what it may still say, since that holds now, and what to do instead of the rest.
RETIRED: dict[str, tuple[tuple[Any, ...], str]] = {
    "classification.blackout_share": ((0,), _BLACKOUT),
    "classification.contrast": ((0.1,), _CONSTANT),
    "classification.ema_momentum": ((0,), _CONSTANT),
    "classification.flips": ((True,), _CONSTANT),
    "classification.head.pooling": (("features",), _WHOLE),
    "classification.threads": ((0,), _THREADS),
    "classification.transposes": ((False,), _CONSTANT),
    "classification.warmup_share": ((0.1,), _CONSTANT),
    "cross_validation.scratch_repeats": ((None,), "set cross_validation.repeats for all backbones"),
    "data_engineering.duplicate_similarity": ((0.985,), _CONSTANT),
    "deployment.seed": ((20,), _CONSTANT),
    "deployment.tolerance.changed_share": ((0.00405,), _CONSTANT),
    "deployment.tolerance.dice": ((0.005,), _CONSTANT),
    "deployment.tolerance.probability": ((0.0001,), _CONSTANT),
    "deployment.tolerance.score": ((0.1,), _CONSTANT),
    "deployment.tolerance.threshold_distance": ((0.05,), _CONSTANT),
    "deployment.tolerance": (({},), _CONSTANT),  # what is left of the group without these
    "inspection.accepted_overlays": ((8,), "set inspection.overlays, the most of all verdicts"),
    "inspection.drift.least_sheets": ((50,), _CONSTANT),
    "inspection.following.poll_seconds": ((0.2,), _CONSTANT),
    "inspection.read_ahead": ((16,), _CONSTANT),
    "inspection.readers": ((None,), _THREADS),
    "operating_point.confidence": ((0.95,), _CONSTANT),
    "reporting.explained": ((3,), _CONSTANT),
    "reporting.mistakes": ((20,), _CONSTANT),
    "segmentation.auxiliary_weight": ((0.5,), _CONSTANT),
    "segmentation.blackout_share": ((0,), _BLACKOUT),
    "segmentation.crop.max_black": ((0.25,), _CONSTANT),
    "segmentation.crop.steel_share": ((0.9,), _CONSTANT),
    "segmentation.finish": ((None,), "make data_engineering.tile_size larger"),
    "segmentation.flips": ((True,), _CONSTANT),
    "segmentation.focal_exponent": ((0.75,), _CONSTANT),
    "segmentation.missed_weight": ((0.7,), _CONSTANT),
    "segmentation.presence_weight": ((0.2,), _CONSTANT),
    "segmentation.search": ((None,), _RATES),
    "segmentation.threads": ((0,), _THREADS),
    "{architecture}.network.encoder.learns": ((True,), "make learning_rate_factor small"),
    "{backbone}.training.backbone.stride": ((32,), "make input_size twice as large"),
    "{backbone}.training.blackout_share": ((None, 0), _BLACKOUT),
    "{backbone}.training.ema_momentum": ((None, 0), _CONSTANT),
    "{backbone}.training.fine_tuning_rate": ((None,), _SHARED),
    "{backbone}.training.frozen_epochs": ((None,), _SHARED),
    "{backbone}.training.head.pooling": (("features",), _WHOLE),
    "{backbone}.training.keep_last": ((None,), _SHARED),
    "{backbone}.training.mask_loss_weight": ((None,), _SHARED),
    "{backbone}.training.precision": ((None,), _SHARED),
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
            given, constant = (json.dumps(one, default=str) for one in (value, values[-1]))
            raise SteelDefectsError(
                f"{name} can no longer be set to {given}: {remedy.format(value=constant)}"
            )
        names.append(name)
    return names


def note_on(names: Sequence[str]) -> str:
    """Say that retired parameters were taken out."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    shown = ", ".join(names[:_NAMED])
    return f"no parameters any more, and taken out: {shown}{more}; see CHANGELOG.md, Upgrade"


def _named() -> Iterator[tuple[str, tuple[Any, ...], str]]:
    """Yield each name once for each backbone or architecture that it stands for."""
    for name, (values, remedy) in RETIRED.items():
        owners = ARCHITECTURES if "{architecture}" in name else BACKBONES
        for owner in owners if "{" in name else ("",):
            yield name.format(backbone=owner, architecture=owner), values, remedy
