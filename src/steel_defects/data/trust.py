"""When labels lose too much to be trained on: a run that ends here does no harm."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from steel_defects.data.config import TrustLimits
from steel_defects.data.inventory import masks_among
from steel_defects.errors import SteelDefectsError
from steel_defects.labels.masks import Finding, Masks
from steel_defects.labels.suspects import Suspicion

_SETTING = "data_engineering.limits"
_MASKS_AMONG = 0.1


def refuse_lost_labels(masks: Masks, limits: TrustLimits) -> None:
    """Refuse a file of labels whose names do not meet those of the pictures.

    Raises:
        SteelDefectsError: Too many labels would name a picture after a change of names, or none
            names a picture.
    """
    lost = masks.misnamed
    if lost and lost.rows > limits.misnamed * lost.of:
        name, picture = lost.example
        raise SteelDefectsError(
            f"{lost.rows:,} of {lost.of:,} labels name no picture, but would if {lost.change} "
            f"changed: {name} may be {picture}; mend the names, or raise {_SETTING}.misnamed"
        )
    if masks.labels and not masks.matched:
        others = (f for f in masks.findings if not f.set_aside)
        example = next((f"; the first names {f.sheet_id}" for f in others), "")
        raise SteelDefectsError(
            f"none of the {masks.labels:,} labels names a picture that is there{example}; check "
            "raw_dir and the names"
        )


def refuse_masks_among(sheet_inventory: pd.DataFrame, allow_suspect: bool) -> None:
    """Refuse a folder of pictures of which a tenth or more are masks.

    Raises:
        SteelDefectsError: They are, and the user has not looked at them yet.
    """
    masks = sheet_inventory.loc[masks_among(sheet_inventory), "path"]
    if len(masks) > _MASKS_AMONG * len(sheet_inventory) and not allow_suspect:
        raise SteelDefectsError(
            f"{len(masks):,} of {len(sheet_inventory):,} pictures are masks, such as "
            f"{masks.iloc[0]}: move them into a folder annotations beside that of the pictures, or "
            "set data_engineering.allow_suspect: true to leave them out"
        )


def refuse_suspects(found: Sequence[Suspicion], allow_suspect: bool) -> None:
    """Refuse masks more than half of which look wrong.

    Raises:
        SteelDefectsError: They do, and the user has not looked at them yet.
    """
    worst = next((one for one in found if one.masks > one.of / 2), None)
    if worst and not allow_suspect:
        raise SteelDefectsError(
            f"{worst}; mend them, or set data_engineering.allow_suspect: true if they are right"
        )


@dataclass(frozen=True)
class Loss:
    """Sheets of a kind that were set aside.

    Attributes:
        kind: Such as ``defective``.
        sheets: How many were set aside, of ``of`` that there are.
        reason: The one that most of them share.
    """

    kind: str
    sheets: int
    of: int
    reason: str

    @property
    def share(self) -> float:
        """Of all sheets of the kind."""
        return self.sheets / self.of

    def __str__(self) -> str:
        return f"{self.sheets:,} of {self.of:,} {self.kind} sheets set aside: {self.reason}"


def losses(kinds: Mapping[str, Collection[str]], findings: Iterable[Finding]) -> list[Loss]:
    """Say how many sheets of each kind were set aside, and why most of them were.

    Args:
        kinds: Sheets of each kind.
        findings: All of them.
    """
    reasons: dict[str, str] = {}
    for finding in findings:
        if finding.set_aside:
            reasons.setdefault(finding.sheet_id, finding.reason)
    lost = {
        kind: [reasons[sheet_id] for sheet_id in sheets if sheet_id in reasons]
        for kind, sheets in kinds.items()
    }
    return [
        Loss(kind, len(why), len(kinds[kind]), Counter(why).most_common(1)[0][0])
        for kind, why in lost.items()
        if why
    ]


def kinds_of(
    sheet_ids: Iterable[str], masks: Masks, class_names: Sequence[str]
) -> dict[str, list[str]]:
    """Sort sheets by what their labels say, sound or not; a sheet may be of several kinds.

    One that is not labelled is of none.
    """
    sheet_ids = [sheet_id for sheet_id in sheet_ids if sheet_id not in masks.unlabelled]
    claims = masks.claims
    kinds = {
        "clean": [sheet_id for sheet_id in sheet_ids if sheet_id not in claims],
        "defective": [sheet_id for sheet_id in sheet_ids if sheet_id in claims],
    }
    for class_id, name in enumerate(class_names, start=1):
        kinds[f"({name})"] = [s for s in sheet_ids if class_id in claims.get(s, ())]
    return kinds


def refuse_losses(lost: Iterable[Loss], share: float, setting: str) -> None:
    """Refuse to go on where a kind loses more than a share of its sheets.

    Raises:
        SteelDefectsError: It does; the message says why.
    """
    # A single sheet is no sign of a fault in all of them, however few of its class there are.
    several = (loss for loss in lost if loss.sheets > 1)
    worst = max(several, key=lambda loss: loss.share, default=None)
    if worst and worst.share > share:
        raise SteelDefectsError(f"{worst}; mend them, or raise {_SETTING}.{setting} ({share:g})")
