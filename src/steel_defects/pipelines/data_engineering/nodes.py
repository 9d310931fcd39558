"""Nodes that turn a folder of pictures and a file of masks into the canonical tables."""

import logging
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from steel_defects.annotations import mask_folder, severstal
from steel_defects.annotations.mask_folder import MaskFolder
from steel_defects.annotations.severstal import Finding
from steel_defects.errors import SteelDefectsError
from steel_defects.sheets.config import DataEngineeringConfig
from steel_defects.sheets.fingerprints import alike_groups
from steel_defects.sheets.folder import SheetFolder
from steel_defects.sheets.inventory import inventory_table, take_inventory
from steel_defects.sheets.quality import quality_report
from steel_defects.sheets.splits import assign_groups
from steel_defects.sheets.tiles import cut_tiles
from steel_defects.training.config import CrossValidationConfig

logger = logging.getLogger(__name__)

Findings = list[dict[str, Any]]


def inventory_sheets(
    raw_sheets: SheetFolder, data_engineering: DataEngineeringConfig
) -> pd.DataFrame:
    """Read every picture once: size, brightness, fingerprint, or what is wrong with it."""
    rows = []
    for row in take_inventory(raw_sheets, data_engineering.expected_size):
        rows.append(row)
        if len(rows) % 500 == 0:
            logger.info("read %d of %d sheets", len(rows), len(raw_sheets))
    return inventory_table(rows)


def check_annotations(
    raw_annotations: pd.DataFrame | MaskFolder,
    sheet_inventory: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
) -> tuple[pd.DataFrame, Findings]:
    """Keep sound masks of sound sheets.

    A sheet with a mask that can't be trusted is set aside as a whole: without that mask it would
    pass for cleaner than it is.
    """
    broken = sheet_inventory[sheet_inventory["problem"] != ""]
    findings = [
        Finding(f"picture {path}", sheet_id, problem)
        for sheet_id, path, problem in broken[["sheet_id", "path", "problem"]].itertuples(
            index=False, name=None
        )
    ]
    sound = sheet_inventory[sheet_inventory["problem"] == ""]
    sizes = {
        sheet_id: (int(height), int(width))
        for sheet_id, height, width in sound[["sheet_id", "height", "width"]].itertuples(
            index=False, name=None
        )
    }
    table, faults = _read_annotations(raw_annotations, sizes, data_engineering)
    unsound = {fault.sheet_id for fault in faults}
    findings += faults
    findings += [
        Finding(f"picture {sheet_id}", sheet_id, "set aside: one of its masks can't be trusted")
        for sheet_id in sorted(unsound & set(sizes))
    ]
    if findings:
        logger.warning("%d findings, listed in data_quality", len(findings))
    return (
        table[~table["sheet_id"].isin(unsound)].reset_index(drop=True),
        [asdict(finding) for finding in findings],
    )


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
    annotations: pd.DataFrame,
    findings: Findings,
    data_engineering: DataEngineeringConfig,
) -> pd.DataFrame:
    """Make the table of sound sheets and group those that look alike."""
    aside = {finding["sheet_id"] for finding in findings if finding["set_aside"]}
    table = sheet_inventory[~sheet_inventory["sheet_id"].isin(aside)].reset_index(drop=True)
    if table.empty:
        raise SteelDefectsError("no sound sheet is left; see sheet_inventory for the reasons")
    groups = alike_groups(
        np.stack(table["fingerprint"].to_list()).astype(np.float32),
        table["sha256"].tolist(),
        data_engineering.duplicate_similarity,
    )
    # A group is named after the first of its sheets, so that its name outlives new sheets.
    first = table.groupby(groups)["sheet_id"].transform("min")
    return table.assign(
        group_id=first, has_defect=table["sheet_id"].isin(set(annotations["sheet_id"]))
    )[list(_SHEET_TYPES)].astype(_SHEET_TYPES)


_SHEET_TYPES = {
    "sheet_id": "str",
    "path": "str",
    "width": "int64",
    "height": "int64",
    "sha256": "str",
    "group_id": "str",
    "mean_intensity": "float64",
    "black_fraction": "float64",
    "has_defect": "bool",
}


def split_sheets(
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
    cross_validation: CrossValidationConfig,
) -> pd.DataFrame:
    """Divide the groups into splits, and into folds for each repeat, alike in their classes."""
    config = data_engineering
    kinds = annotations.groupby("sheet_id")["class_id"].apply(
        lambda ids: "+".join(map(str, sorted(ids)))
    )
    strata = sheets["sheet_id"].map(kinds).fillna("clean").tolist()
    groups = sheets["group_id"].tolist()
    split = assign_groups(
        groups, strata, {str(split): share for split, share in config.shares.items()}, config.seed
    )
    equal = {str(fold): 1.0 for fold in range(cross_validation.folds)}
    folds = [
        assign_groups(groups, strata, equal, config.seed + 1 + repeat)
        for repeat in range(cross_validation.repeats)
    ]
    return pd.DataFrame(
        {
            "sheet_id": sheets["sheet_id"],
            "group_id": sheets["group_id"],
            "split": split,
            "fold": [[int(fold) for fold in one] for one in zip(*folds, strict=True)],
        }
    )


def tile_sheets(
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    splits: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
) -> pd.DataFrame:
    """Cut every sheet into windows and measure the classes in each."""
    config = data_engineering
    masks = annotations.set_index(["sheet_id", "class_id"])["rle"].to_dict()
    split_of = splits.set_index("sheet_id")["split"]
    rows = []
    for sheet in sheets.itertuples():
        encoded = [masks.get((sheet.sheet_id, k), "") for k in range(1, config.classes + 1)]
        head = {"sheet_id": sheet.sheet_id, "split": split_of[sheet.sheet_id]}
        windows = cut_tiles(
            sheet.height, sheet.width, encoded, config.tile_size, config.tile_stride
        )
        rows += [head | window for window in windows]
    return pd.DataFrame(rows)


def report_quality(
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    splits: pd.DataFrame,
    findings: Findings,
    data_engineering: DataEngineeringConfig,
) -> dict[str, Any]:
    """Sum up what was found and what was set aside."""
    return quality_report(
        sheets,
        annotations,
        splits,
        [Finding(**finding) for finding in findings],
        data_engineering.class_names,
    )
