"""Reading labels in the format that the parameters name, or that is found."""

import logging
from pathlib import Path
from typing import TypeAlias

import pandas as pd

from steel_defects.data.config import DataEngineeringConfig
from steel_defects.errors import SteelDefectsError
from steel_defects.labels import mask_folder, severstal
from steel_defects.labels.drawn import Classes, Sheets, masks_of
from steel_defects.labels.formats.recognise import READERS, LabelFolder, recognise
from steel_defects.labels.mask_folder import MaskFolder, MaskRules
from steel_defects.labels.masks import Masks, sizes_by_sheet

logger = logging.getLogger(__name__)

#: What the dataset ``raw_annotations`` loads as.
Labels: TypeAlias = pd.DataFrame | MaskFolder | LabelFolder


def read_masks(
    labels: Labels, root: Path, sheet_inventory: pd.DataFrame, config: DataEngineeringConfig
) -> Masks:
    """Read the labels of the sound pictures.

    Args:
        labels: What was found where labels are kept.
        root: The data folder, where labels of another format are looked for if one is named.
        sheet_inventory: All pictures.
        config: The format, and what names and values mean.

    Raises:
        SteelDefectsError: There are no labels of this format, or they can't be read.
    """
    source = _of_format(config.labels, labels, root)
    sizes = sizes_by_sheet(sheet_inventory[sheet_inventory["problem"] == ""])
    if isinstance(source, LabelFolder):
        return _read_files(source, sheet_inventory, sizes, config)
    if isinstance(source, MaskFolder):
        return mask_folder.read_annotations(source, sizes, _rules(config))
    unreadable = set(sheet_inventory["sheet_id"]) - sizes.keys()
    rows = severstal.normalise_columns(source)
    return severstal.check_annotations(rows, sizes, config.class_names, unreadable)


def _of_format(wanted: str, labels: Labels, root: Path) -> Labels:
    """Return the labels that were found, or those of another format that was asked for."""
    if wanted in READERS and not isinstance(labels, LabelFolder):
        return LabelFolder(root)
    if wanted == "masks" and not isinstance(labels, MaskFolder):
        labels = MaskFolder(root / "annotations")
    missing = wanted == "masks" and isinstance(labels, MaskFolder) and not labels.root.is_dir()
    if missing or (wanted == "severstal" and not isinstance(labels, pd.DataFrame)):
        where = "folder annotations" if missing else "train.csv"
        raise SteelDefectsError(
            f"data_engineering.labels is {wanted}, but {root} has no {where}; auto finds out what "
            "lies there"
        )
    return labels


def _rules(config: DataEngineeringConfig) -> MaskRules:
    missing_is_clean = config.missing_mask == "clean"
    return MaskRules(config.classes, config.mask_values, config.mask_threshold, missing_is_clean)


def _read_files(
    folder: LabelFolder,
    sheet_inventory: pd.DataFrame,
    sizes: dict[str, tuple[int, int]],
    config: DataEngineeringConfig,
) -> Masks:
    found = recognise(folder, None if config.labels == "auto" else config.labels)
    logger.info("labels: %s", found)
    paths = dict(zip(sheet_inventory["sheet_id"], sheet_inventory["path"], strict=True))
    return masks_of(
        READERS[found.kind](found.root, found.files),
        Sheets(paths, sizes),
        Classes(config.class_names, config.label_map),
        config.unlabelled == "clean",
    )
