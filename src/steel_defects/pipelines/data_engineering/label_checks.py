"""Labels of a folder held to the limits: what is set aside, what is told, what ends the run."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from steel_defects.data.config import DataEngineeringConfig
from steel_defects.data.inventory import is_featureless
from steel_defects.data.segmenter_only import PREFIX, SETTING, SecondFolder
from steel_defects.data.trust import (
    kinds_of,
    losses,
    refuse_losses,
    refuse_lost_labels,
    refuse_masks_among,
    refuse_suspects,
)
from steel_defects.errors import SteelDefectsError
from steel_defects.labels import rle as run_length
from steel_defects.labels.masks import Finding, Masks, sizes_by_sheet
from steel_defects.labels.suspects import suspicions
from steel_defects.pipelines.data_engineering.label_sources import Labels, read_masks
from steel_defects.tables.columns import SEGMENTER_ONLY
from steel_defects.tables.declared import VOID_PIXELS

logger = logging.getLogger(__name__)

#: Where masks look wrong, of which the contact sheet shows an example.
LABELS = "labels"


def sound_pictures(sheet_inventory: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of pictures that can be used."""
    return sheet_inventory[sheet_inventory["problem"] == ""].reset_index(drop=True)


@dataclass(frozen=True)
class CheckedLabels:
    """Labels of a folder: sound masks, what was found, what is told of it, and void pixels."""

    annotations: pd.DataFrame
    findings: list[Finding]
    told: list[str]
    void: pd.DataFrame

    def with_those(self, other: "CheckedLabels") -> "CheckedLabels":
        """Put those of another folder below."""
        tables = ((self.annotations, other.annotations), (self.void, other.void))
        annotations, void = (
            pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
            for parts in tables
        )
        findings, told = self.findings + other.findings, self.told + other.told
        return CheckedLabels(annotations, findings, told, void)


def checked_labels(
    masks: Masks,
    sheet_inventory: pd.DataFrame,
    sheet_groups: pd.DataFrame,
    config: DataEngineeringConfig,
) -> CheckedLabels:
    """Hold the labels of a folder to the limits, and keep the sound ones."""
    refuse_masks_among(sheet_inventory, config.allow_suspect)
    refuse_lost_labels(masks, config.limits)
    doubts = _doubts(masks, sheet_inventory, config)
    pictures = _unusable_pictures(sheet_inventory, masks, config)
    kinds = kinds_of(sheet_inventory["sheet_id"], masks, config.class_names)
    for findings, share, setting in (
        (masks.findings, config.limits.lost, "lost"),
        (pictures, config.limits.unusable, "unusable"),
    ):
        refuse_losses(losses(kinds, findings), share, setting)
    findings = doubts + pictures + _leaking_sheets(sheet_inventory, sheet_groups)
    findings += masks.findings + _sheets_of_bad_masks(masks, sheet_inventory)
    kept = _kept(masks, findings)
    told = [str(loss) for loss in losses(kinds, findings)] + [doubt.reason for doubt in doubts]
    if masks.unlabelled:
        count = f"{len(masks.unlabelled):,} of {len(sheet_inventory):,} pictures"
        told.append(f"{count} are not labelled and left out (data_engineering.unlabelled)")
    void = VOID_PIXELS.typed(
        (one, rle, run_length.area(rle)) for one, rle in sorted(masks.void.items())
    )
    return CheckedLabels(kept, findings, told, void)


def checked_beside(
    second: SecondFolder,
    labels: Labels,
    sheet_inventory: pd.DataFrame,
    sheet_groups: pd.DataFrame,
    config: DataEngineeringConfig,
) -> CheckedLabels:
    """Do the same with the folder of sheets for segmenters alone, and name it in what is wrong.

    Tables are those of both folders.
    """
    root = second.folder.root
    if (root / "corrections").is_dir():
        logger.warning("%s: corrections are read below raw_dir alone, not here", root)
    inventory, groups = second.inward(sheet_inventory), second.inward(sheet_groups)
    try:
        masks = read_masks(labels, root, inventory, config)
        checked = checked_labels(masks, inventory, groups, config)
    except SteelDefectsError as error:
        raise SteelDefectsError(f"{SETTING}, {root}: {error}") from error
    return CheckedLabels(
        second.outward(checked.annotations),
        [_beside(one) for one in checked.findings],
        [f"{root}: {text}" for text in checked.told],
        second.outward(checked.void),
    )


def _beside(finding: Finding) -> Finding:
    where = finding.where if finding.where == LABELS else f"{SEGMENTER_ONLY}: {finding.where}"
    return replace(finding, where=where, sheet_id=PREFIX + finding.sheet_id)


def _doubts(
    masks: Masks, sheet_inventory: pd.DataFrame, config: DataEngineeringConfig
) -> list[Finding]:
    """Tell what masks look wrong, or raise a SteelDefectsError where most do."""
    suspects = suspicions(masks, sizes_by_sheet(sound_pictures(sheet_inventory)))
    refuse_suspects(suspects, config.allow_suspect)
    return [Finding(LABELS, one.examples[0], str(one), set_aside=False) for one in suspects]


def _unusable_pictures(
    sheet_inventory: pd.DataFrame, masks: Masks, config: DataEngineeringConfig
) -> list[Finding]:
    findings = _picture_findings(sheet_inventory) + _empty_frames(sheet_inventory, masks)
    if masks.sized or config.expected_size:
        return findings
    return findings + _turned_pictures(sheet_inventory)


def _sheets_of_bad_masks(masks: Masks, sheet_inventory: pd.DataFrame) -> list[Finding]:
    sound = set(sound_pictures(sheet_inventory)["sheet_id"])
    reason = "set aside: one of its masks can't be trusted"
    return [
        Finding(f"picture {sheet_id}", sheet_id, reason)
        for sheet_id in sorted(_aside(masks.findings) & sound - masks.unlabelled)
    ]


def _kept(masks: Masks, findings: Sequence[Finding]) -> pd.DataFrame:
    """Return the masks of sheets that are not set aside, or say why none is left."""
    kept = masks.table[~masks.table["sheet_id"].isin(_aside(findings))].reset_index(drop=True)
    if kept.empty:
        for loss in losses({"defective": list(masks.claims)}, findings):
            raise SteelDefectsError(f"no defect is left: {loss}")
    return kept


def _aside(findings: Iterable[Finding]) -> set[str]:
    return {finding.sheet_id for finding in findings if finding.set_aside}


def tell(findings: Sequence[Finding], labels: Iterable[str]) -> None:
    """Log what was lost and what looks wrong; the tables have each case."""
    if findings:
        logger.warning(
            "%d findings, listed in data_quality.json and findings.json; the first: %s: %s",
            len(findings), findings[0].where, findings[0].reason,
        )  # fmt: skip
    for text in labels:
        logger.warning("labels: %s", text)


def _picture_findings(sheet_inventory: pd.DataFrame) -> list[Finding]:
    """List pictures that can't be used, and those that were changed in reading."""
    broken = sheet_inventory["problem"] != ""
    noted = sheet_inventory[~broken & (sheet_inventory["note"] != "")]
    return [
        *_findings(sheet_inventory[broken], "problem", set_aside=True),
        *_findings(noted, "note", set_aside=False),
    ]


def _findings(table: pd.DataFrame, column: str, set_aside: bool) -> list[Finding]:
    rows = zip(table["sheet_id"], table["path"], table[column], strict=True)
    return [Finding(f"picture {path}", one, reason, set_aside) for one, path, reason in rows]


def _empty_frames(sheet_inventory: pd.DataFrame, masks: Masks) -> list[Finding]:
    """Set aside frames without steel on them that have no label: they are not clean sheets."""
    sound = sound_pictures(sheet_inventory)
    table = sound[is_featureless(sound) & ~sound["sheet_id"].isin(set(masks.claims))]
    reason = "black or white all over, and without a label: not a clean sheet"
    return _findings(table.assign(reason=reason), "reason", set_aside=True)


def _turned_pictures(sheet_inventory: pd.DataFrame) -> list[Finding]:
    """Set aside pictures that ask for a quarter turn where no size shows that their labels fit."""
    sound = sound_pictures(sheet_inventory)
    reason = (
        "asks to be turned (EXIF), and nothing shows whether its labels were drawn so; give "
        "data_engineering.expected_size, or save it as it is to be seen"
    )
    return _findings(sound[sound["exif"] > 1].assign(reason=reason), "reason", set_aside=True)


def _leaking_sheets(sheet_inventory: pd.DataFrame, sheet_groups: pd.DataFrame) -> list[Finding]:
    """List new sheets that would join two splits."""
    leaking = sheet_groups[sheet_groups["problem"] != ""]
    leaking = leaking.merge(sheet_inventory[["sheet_id", "path"]], on="sheet_id")
    return _findings(leaking, "problem", set_aside=True)
