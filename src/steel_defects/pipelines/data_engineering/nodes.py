"""Nodes that turn a folder of pictures and a file of masks into the canonical tables."""

import logging
from dataclasses import asdict
from typing import Any

import pandas as pd

from steel_defects.data.config import DataEngineeringConfig
from steel_defects.data.division import (
    Division,
    assignments_of,
    divide,
    earlier_splits,
)
from steel_defects.data.inventory import take_inventory
from steel_defects.data.quality import DataSet, quality_report
from steel_defects.data.similarity.similar import DIFFERENT, LOOK_ALIKE_SIMILARITY, find_similar
from steel_defects.data.splits import group_sheets
from steel_defects.data.tiles import tile_table
from steel_defects.errors import SteelDefectsError
from steel_defects.images.folder import SheetFolder
from steel_defects.labels import mask_folder, severstal
from steel_defects.labels.mask_folder import MaskFolder
from steel_defects.labels.severstal import Finding, masks_by_sheet
from steel_defects.models.config import Backbones
from steel_defects.tables.declared import SHEET_GROUPS, SHEETS, SPLIT_ASSIGNMENTS
from steel_defects.training.config import CrossValidationConfig
from steel_defects.training.jobs import need_both_kinds

logger = logging.getLogger(__name__)

Findings = list[dict[str, Any]]


def inventory_sheets(
    raw_sheets: SheetFolder,
    earlier_sheet_inventory: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
) -> pd.DataFrame:
    """Read every new or changed picture: size, brightness, fingerprint, or what is wrong."""
    return take_inventory(raw_sheets, data_engineering.expected_size, earlier_sheet_inventory)


def compare_sheets(
    raw_sheets: SheetFolder,
    sheet_inventory: pd.DataFrame,
    earlier_similar_sheets: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
) -> pd.DataFrame:
    """Find copies and look-alikes among the sound pictures, in all orientations."""
    return find_similar(
        _sound(sheet_inventory),
        raw_sheets.read,
        LOOK_ALIKE_SIMILARITY,
        data_engineering.compare_parts,
        earlier_similar_sheets,
    )


def _sound(sheet_inventory: pd.DataFrame) -> pd.DataFrame:
    return sheet_inventory[sheet_inventory["problem"] == ""].reset_index(drop=True)


def group_similar_sheets(
    sheet_inventory: pd.DataFrame,
    similar_sheets: pd.DataFrame,
    earlier_split_assignments: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
) -> pd.DataFrame:
    """Put similar sheets into groups, and set aside new ones that would join two splits."""
    sound = _sound(sheet_inventory)
    splits: dict[str, str] = {}
    if not data_engineering.resplit:
        earlier = earlier_splits(earlier_split_assignments, dict(data_engineering.shares.items()))
        known = zip(sound["sheet_id"], sound["sha256"], strict=True)
        splits = {sheet_id: earlier[digest] for sheet_id, digest in known if digest in earlier}
    pairs = similar_sheets[similar_sheets["relation"] != DIFFERENT]
    groups, aside = group_sheets(
        sound["sheet_id"].tolist(), zip(pairs["sheet_id"], pairs["other_id"], strict=True), splits
    )
    ids = sound["sheet_id"]
    problems = [aside.get(sheet_id, "") for sheet_id in ids]
    return SHEET_GROUPS.typed(sound.assign(group_id=ids.map(groups), problem=problems))


def check_annotations(
    raw_annotations: pd.DataFrame | MaskFolder,
    sheet_inventory: pd.DataFrame,
    sheet_groups: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
) -> tuple[pd.DataFrame, Findings]:
    """Keep sound masks of sound sheets.

    A sheet with a mask that can't be trusted is set aside as a whole: without that mask it would
    pass for cleaner than it is.
    """
    sound = _sound(sheet_inventory)
    columns = sound[["sheet_id", "height", "width"]].itertuples(index=False, name=None)
    sizes = {sheet_id: (int(height), int(width)) for sheet_id, height, width in columns}
    table, faults = _read_annotations(raw_annotations, sizes, data_engineering)
    unsound = {fault.sheet_id for fault in faults}
    findings = [
        *_picture_findings(sheet_inventory, sheet_groups),
        *faults,
        *(
            Finding(f"picture {sheet_id}", sheet_id, "set aside: one of its masks can't be trusted")
            for sheet_id in sorted(unsound & set(sizes))
        ),
    ]
    if findings:
        first = findings[0]
        logger.warning(
            "%d findings, listed in data_quality.json and findings.json; the first: %s: %s",
            len(findings), first.where, first.reason,
        )  # fmt: skip
    aside = {finding.sheet_id for finding in findings if finding.set_aside}
    return (
        table[~table["sheet_id"].isin(aside)].reset_index(drop=True),
        [asdict(finding) for finding in findings],
    )


def _picture_findings(sheet_inventory: pd.DataFrame, sheet_groups: pd.DataFrame) -> list[Finding]:
    """List pictures that can't be used, that would leak, and that were changed in reading."""
    broken = sheet_inventory[sheet_inventory["problem"] != ""]
    noted = sheet_inventory[(sheet_inventory["problem"] == "") & (sheet_inventory["note"] != "")]
    leaking = sheet_groups[sheet_groups["problem"] != ""]
    leaking = leaking.merge(sheet_inventory[["sheet_id", "path"]], on="sheet_id")
    return [
        Finding(f"picture {path}", sheet_id, reason, set_aside)
        for table, column, set_aside in (
            (broken, "problem", True),
            (leaking, "problem", True),
            (noted, "note", False),
        )
        for sheet_id, path, reason in table[["sheet_id", "path", column]].itertuples(
            index=False, name=None
        )
    ]


def _read_annotations(
    raw: pd.DataFrame | MaskFolder,
    sizes: dict[str, tuple[int, int]],
    config: DataEngineeringConfig,
) -> tuple[pd.DataFrame, list[Finding]]:
    """Read masks in either form: a file of encoded ones, or a folder of pictures."""
    if isinstance(raw, MaskFolder):
        return mask_folder.read_annotations(raw, sizes, config.classes, config.mask_values)
    return severstal.check_annotations(severstal.normalise_columns(raw), sizes, config.classes)


def build_sheets(
    sheet_inventory: pd.DataFrame,
    sheet_groups: pd.DataFrame,
    annotations: pd.DataFrame,
    findings: Findings,
) -> pd.DataFrame:
    """Make the table of sound sheets."""
    aside = {finding["sheet_id"] for finding in findings if finding["set_aside"]}
    table = _sound(sheet_inventory).merge(sheet_groups[["sheet_id", "group_id"]], on="sheet_id")
    table = table[~table["sheet_id"].isin(aside)].reset_index(drop=True)
    if table.empty:
        why = next(
            (f"{f['where']}: {f['reason']}" for f in findings if f["set_aside"]), "none read"
        )
        raise SteelDefectsError(
            f"no sound sheet is left; findings.json has the reasons, such as {why}"
        )
    # A group is named after the first of its sheets, so that its name outlives new sheets.
    first = table.groupby("group_id")["sheet_id"].transform("min")
    defective = table["sheet_id"].isin(set(annotations["sheet_id"]))
    return SHEETS.typed(table.assign(group_id=first, has_defect=defective))


def split_sheets(
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    earlier_split_assignments: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
    cross_validation: CrossValidationConfig,
    backbones: Backbones | None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divide the groups into splits, and into folds for each repeat, alike in their classes.

    Sheets that were divided before stay where they are.

    Raises:
        SteelDefectsError: A gate is to be trained, and the sheets are all of one kind.
    """
    if backbones and backbones.root:
        need_both_kinds(sheets)
    config = data_engineering
    earlier = SPLIT_ASSIGNMENTS.empty()
    division = Division(
        {str(split): share for split, share in config.shares.items()},
        cross_validation.folds,
        cross_validation.repeats,
        config.seed,
    )
    splits = divide(
        sheets,
        _strata(sheets, annotations),
        earlier if config.resplit or earlier_split_assignments.empty else earlier_split_assignments,
        division,
    )
    return splits, assignments_of(sheets, splits)


def _strata(sheets: pd.DataFrame, annotations: pd.DataFrame) -> list[str]:
    """Return the combination of classes of each sheet."""
    kinds = annotations.sort_values("class_id").groupby("sheet_id")["class_id"]
    names = kinds.agg(lambda ids: "+".join(map(str, ids)))
    return [str(name) for name in sheets["sheet_id"].map(names).fillna("clean")]


def tile_sheets(
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    splits: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
) -> pd.DataFrame:
    """Cut every sheet into windows and measure the classes in each."""
    config = data_engineering
    masks = masks_by_sheet(annotations)
    table = tile_table(sheets, masks, config.classes, config.tile_size, config.tile_stride)
    table.insert(1, "split", table["sheet_id"].map(splits.set_index("sheet_id")["split"]))
    return table


def report_quality(
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    splits: pd.DataFrame,
    sheet_inventory: pd.DataFrame,
    similar_sheets: pd.DataFrame,
    findings: Findings,
    position_findings: Findings,
    data_engineering: DataEngineeringConfig,
) -> dict[str, Any]:
    """Sum up what was found and what was set aside."""
    return quality_report(
        DataSet(sheets, annotations, splits, sheet_inventory, similar_sheets),
        [Finding(**finding) for finding in findings + position_findings],
        data_engineering.class_names,
    )
