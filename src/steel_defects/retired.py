"""Parameters of earlier releases: features that went, constants, and those of another name."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from steel_defects.errors import SteelDefectsError
from steel_defects.models.config import ARCHITECTURES, BACKBONES

R = TypeVar("R")

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

#: By dotted name: the name that it has now, in the same group.
RENAMED = {
    "segmentation.crop": "windows_per_sheet",
    "segmentation.defect_share": "defect_tile_share",
    "segmentation.tile_batches_per_epoch": "steps_per_epoch",
    "{architecture}.network.input_stride": "input_shrink",
}


def bring_up_to_date(
    parameters: dict[str, Any], given: Mapping[str, Any] | None = None
) -> str | None:
    """Take retired parameters out of others, and give renamed ones their new names, in place.

    Args:
        parameters: All of them, from files and from the command line.
        given: Those of the command line alone; a new name there wins over an old one in a file.

    Returns:
        A note on those that were there; None without any.

    Raises:
        SteelDefectsError: One has a value that can no longer be had.
    """
    out = [name for name, rule in _each(RETIRED) if _take_out(parameters, name, *rule)]
    renamed = [
        f"{old} is now {new}"
        for old, new in _each(RENAMED)
        if _rename(parameters, given or {}, old, new)
    ]
    notes = ("parameters have other names", renamed), ("no parameters any more, and taken out", out)
    told = "; ".join(f"{what}: {_listed(names)}" for what, names in notes if names)
    return f"{told}; see CHANGELOG.md, Upgrade" if told else None


def _take_out(
    parameters: Mapping[str, Any], name: str, values: tuple[Any, ...], remedy: str
) -> bool:
    group, last = _group_of(parameters, name)
    if last not in group:
        return False
    value = group.pop(last)
    if value not in values:
        told, constant = (json.dumps(one, default=str) for one in (value, values[-1]))
        raise SteelDefectsError(
            f"{name} can no longer be set to {told}: {remedy.format(value=constant)}"
        )
    return True


def _rename(parameters: Mapping[str, Any], given: Mapping[str, Any], old: str, new: str) -> bool:
    group, last = _group_of(parameters, old)
    if last not in group:
        return False
    value = group.pop(last)
    if new not in _group_of(given, old)[0]:
        group[new] = _windows_per_sheet(value) if last == "crop" else value
    return True


def _windows_per_sheet(crop: Any) -> Any:
    """Read what was a group, or null; one that was never right is left to be refused."""
    if isinstance(crop, dict) and crop.keys() <= {"windows_per_sheet"}:
        return crop.get("windows_per_sheet", 1)
    return crop or 0


def _group_of(parameters: Any, name: str) -> tuple[dict[str, Any], str]:
    """Return the group that would hold a parameter, empty without one, and its name there."""
    *groups, last = name.split(".")
    for group in groups:
        parameters = parameters.get(group) if isinstance(parameters, dict) else None
    return parameters if isinstance(parameters, dict) else {}, last


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _each(table: Mapping[str, R]) -> Iterator[tuple[str, R]]:
    """Yield each name once for each backbone or architecture that it stands for."""
    for name, rule in table.items():
        owners = ARCHITECTURES if "{architecture}" in name else BACKBONES
        for owner in owners if "{" in name else ("",):
            yield name.format(backbone=owner, architecture=owner), rule
