"""Reading labels in the format that the parameters name, or that is found."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from steel_defects.data.config import DataEngineeringConfig
from steel_defects.data.labelling import NEW
from steel_defects.errors import SteelDefectsError
from steel_defects.images.folder import SheetFolder
from steel_defects.labels import mask_folder, severstal
from steel_defects.labels.corrections import (
    Correction,
    Known,
    Relabelled,
    SentSheet,
    read_corrections,
    refuse_wiped,
    relabelled,
    without_answer,
)
from steel_defects.labels.drawn import Classes, Sheets, masks_of
from steel_defects.labels.formats.recognise import READERS, LabelFolder, recognise
from steel_defects.labels.mask_folder import MaskFolder, MaskRules
from steel_defects.labels.masks import Masks, sizes_by_sheet
from steel_defects.tables.declared import LABEL_CORRECTIONS

logger = logging.getLogger(__name__)

#: What the dataset ``raw_annotations`` loads as.
Labels: TypeAlias = pd.DataFrame | MaskFolder | LabelFolder


@dataclass(frozen=True)
class Relabelling:
    """What people were asked to label, and what came back.

    Attributes:
        corrections: Folder with one folder per export.
        sent: ``labelling_sheets``: the sheets of all labelling jobs; no rows before the first.
        before: ``label_corrections`` of the run before; no rows before the first.
    """

    corrections: Path
    sent: pd.DataFrame
    before: pd.DataFrame


def read_labels(
    labels: Labels,
    sheets: SheetFolder,
    sheet_inventory: pd.DataFrame,
    config: DataEngineeringConfig,
    relabelling: Relabelling,
) -> tuple[Masks, pd.DataFrame]:
    """Read the labels of the sound pictures, and let what came back take their place.

    Returns:
        The labels, and the table ``label_corrections``.

    Raises:
        SteelDefectsError: See :func:`read_masks` and :func:`read_corrections`; or pictures of an
            export would pass for sheets.
    """
    masks = read_masks(labels, sheets.root, sheet_inventory, config)
    folder = relabelling.corrections
    if folder.is_dir() and folder.is_relative_to(sheets.picture_folder):
        raise SteelDefectsError(
            f"{folder} lies among the pictures; move the pictures of {sheets.root} into a folder "
            "train_images in it"
        )
    known = _known(sheet_inventory, relabelling.sent)
    classes = Classes(config.class_names, config.label_map)
    corrections, merged = read_corrections(folder, known, masks, classes, sheets.follow_links)
    entries = relabelled(masks, corrections, known)
    refuse_wiped(entries, masks, config.limits.lost)
    table = _corrections_table([asdict(one) for one in entries], relabelling.before)
    _tell(table, relabelling.before, corrections)
    return without_answer(merged, known.new), table


def _known(sheet_inventory: pd.DataFrame, sent: pd.DataFrame) -> Known:
    digests = dict(zip(sheet_inventory["sheet_id"], sheet_inventory["sha256"], strict=True))
    columns = ["name", "sheet_id", "sha256", "origin", "outlines"]
    rows = sent[columns].itertuples(index=False, name=None) if len(sent) else ()
    return Known(
        _sizes(sheet_inventory),
        digests,
        {
            name: SentSheet(name if origin == NEW else sheet_id, digest, origin == NEW, drawn)
            for name, sheet_id, digest, origin, drawn in rows
        },
    )


def _corrections_table(rows: list[dict[str, Any]], before: pd.DataFrame) -> pd.DataFrame:
    """Make the table; a label that the run before had has been merged since then."""
    table = pd.DataFrame(rows, columns=[field.name for field in fields(Relabelled)])
    table["labelled_at"] = pd.to_datetime(table["labelled_at"], unit="s", utc=True)
    table["changed"] = ~table["was_labelled"].astype(bool) | (table["overlap"].astype(float) < 1)
    merged = _merged_at(before)
    now = pd.Timestamp(datetime.now(UTC))
    keys = zip(table["sheet_id"], table["label"], strict=True)
    return LABEL_CORRECTIONS.typed(table.assign(merged_at=[merged.get(key, now) for key in keys]))


def _merged_at(before: pd.DataFrame) -> dict[tuple[str, str], pd.Timestamp]:
    if before.empty:
        return {}
    keys = zip(before["sheet_id"], before["label"], strict=True)
    return dict(zip(keys, before["merged_at"], strict=True))


def _tell(table: pd.DataFrame, before: pd.DataFrame, corrections: Sequence[Correction]) -> None:
    if len(table):
        changed = int(table["changed"].sum())
        logger.info("labels: %d sheets were labelled again, %d changed", len(table), changed)
    lost = set(before["sheet_id"] if len(before) else ()) - set(table["sheet_id"])
    if lost:
        logger.warning(
            "labels: %d sheets have their labels of before again, such as %s: what people "
            "labelled is no longer in corrections",
            len(lost), min(lost),
        )  # fmt: skip
    for one in corrections:
        if found := one.masks.findings:
            logger.warning(
                "labels: %s: %d findings, the first: %s: %s",
                one.source, len(found), found[0].sheet_id or found[0].where, found[0].reason,
            )  # fmt: skip


def _sizes(sheet_inventory: pd.DataFrame) -> dict[str, tuple[int, int]]:
    return sizes_by_sheet(sheet_inventory[sheet_inventory["problem"] == ""])


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
    sizes = _sizes(sheet_inventory)
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
