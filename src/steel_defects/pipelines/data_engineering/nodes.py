"""Nodes that turn a folder of pictures and a file of masks into the canonical tables."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from steel_defects.data.config import DataEngineeringConfig, PositionsConfig
from steel_defects.data.inventory import is_featureless, take_inventory
from steel_defects.data.leakage import leakage_table, lookup_baseline
from steel_defects.data.positions import find_positions
from steel_defects.data.quality import oddest_sheets, quality_report
from steel_defects.data.similar import (
    DIFFERENT,
    LOOK_ALIKE_SIMILARITY,
    find_similar,
    nearest_similarity,
)
from steel_defects.data.splits import (
    Division,
    assign_groups,
    assignments_of,
    divide,
    earlier_splits,
    group_sheets,
)
from steel_defects.data.tiles import tile_table
from steel_defects.data.trust import (
    kinds_of,
    losses,
    refuse_losses,
    refuse_lost_labels,
    refuse_masks_among,
    refuse_suspects,
)
from steel_defects.errors import SteelDefectsError
from steel_defects.images.folder import SheetFolder
from steel_defects.labels import rle as run_length
from steel_defects.labels.masks import Finding, Masks, masks_by_sheet, sizes_by_sheet
from steel_defects.labels.suspects import suspicions
from steel_defects.models.config import Backbones
from steel_defects.pipelines.data_engineering.label_sources import (
    Labels,
    Relabelling,
    read_labels,
)
from steel_defects.tables.declared import SHEET_GROUPS, SHEETS, SPLIT_ASSIGNMENTS, VOID_PIXELS
from steel_defects.training.config import CrossValidationConfig
from steel_defects.training.jobs import need_both_kinds

logger = logging.getLogger(__name__)

Findings = list[dict[str, Any]]

ODDEST = 12  # sheets on the contact sheet


def inventory_sheets(
    raw_sheets: SheetFolder,
    earlier_sheet_inventory: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
) -> pd.DataFrame:
    """Read every new or changed picture: size, brightness, fingerprint, or what is wrong."""
    if raw_sheets.left_out:
        logger.warning("not looked at in %s: %s", raw_sheets.picture_folder, raw_sheets.left_out)
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
    config, sound = data_engineering, _sound(sheet_inventory)
    ids, splits = sound["sheet_id"], {}
    if not config.resplit:
        earlier = earlier_splits(earlier_split_assignments, dict(config.shares.items()))
        known = zip(ids, sound["sha256"], strict=True)
        splits = {sheet_id: earlier[digest] for sheet_id, digest in known if digest in earlier}
    similar = similar_sheets[similar_sheets["relation"] != DIFFERENT]
    pairs = zip(similar["sheet_id"], similar["other_id"], strict=True)
    groups, aside = group_sheets(ids.tolist(), pairs, splits)
    problems = [aside.get(sheet_id, "") for sheet_id in ids]
    return SHEET_GROUPS.typed(sound.assign(group_id=ids.map(groups), problem=problems))


def check_annotations(
    raw_annotations: Labels,
    raw_sheets: SheetFolder,
    sheet_inventory: pd.DataFrame,
    sheet_groups: pd.DataFrame,
    corrections: Path,
    earlier_labelling_sheets: pd.DataFrame,
    earlier_label_corrections: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
) -> tuple[pd.DataFrame, Findings, pd.DataFrame, pd.DataFrame]:
    """Keep sound masks of sound sheets, and list what masks look wrong.

    A sheet with a mask that can't be trusted is set aside as a whole: without that mask it would
    pass for cleaner than it is.

    Returns:
        The masks, the findings, which sheets people labelled again, and void pixels.

    Raises:
        SteelDefectsError: The labels lose so much, or look so wrong, that nothing should be
            trained on them.
    """
    config = data_engineering
    relabelling = Relabelling(corrections, earlier_labelling_sheets, earlier_label_corrections)
    masks, relabelled = read_labels(
        raw_annotations, raw_sheets, sheet_inventory, config, relabelling
    )
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
    _tell(findings, told)
    void = VOID_PIXELS.typed(
        (one, rle, run_length.area(rle)) for one, rle in sorted(masks.void.items())
    )
    return kept, [asdict(finding) for finding in findings], relabelled, void


def _doubts(
    masks: Masks, sheet_inventory: pd.DataFrame, config: DataEngineeringConfig
) -> list[Finding]:
    """Tell what masks look wrong, or raise a SteelDefectsError where most do."""
    suspects = suspicions(masks, sizes_by_sheet(_sound(sheet_inventory)))
    refuse_suspects(suspects, config.allow_suspect)
    return [Finding("labels", one.examples[0], str(one), set_aside=False) for one in suspects]


def _unusable_pictures(
    sheet_inventory: pd.DataFrame, masks: Masks, config: DataEngineeringConfig
) -> list[Finding]:
    findings = _picture_findings(sheet_inventory) + _empty_frames(sheet_inventory, masks)
    if masks.sized or config.expected_size:
        return findings
    return findings + _turned_pictures(sheet_inventory)


def _sheets_of_bad_masks(masks: Masks, sheet_inventory: pd.DataFrame) -> list[Finding]:
    sound = set(_sound(sheet_inventory)["sheet_id"])
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


def _tell(findings: Sequence[Finding], labels: Iterable[str]) -> None:
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
    sound = _sound(sheet_inventory)
    table = sound[is_featureless(sound) & ~sound["sheet_id"].isin(set(masks.claims))]
    reason = "black or white all over, and without a label: not a clean sheet"
    return _findings(table.assign(reason=reason), "reason", set_aside=True)


def _turned_pictures(sheet_inventory: pd.DataFrame) -> list[Finding]:
    """Set aside pictures that ask for a quarter turn where no size shows that their labels fit."""
    sound = _sound(sheet_inventory)
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


def build_sheets(
    sheet_inventory: pd.DataFrame,
    sheet_groups: pd.DataFrame,
    annotations: pd.DataFrame,
    findings: Findings,
    void_pixels: pd.DataFrame,
) -> pd.DataFrame:
    """Make the table of sound sheets."""
    faults = [finding for finding in findings if finding["set_aside"]]
    table = _sound(sheet_inventory).merge(sheet_groups[["sheet_id", "group_id"]], on="sheet_id")
    table = table[~table["sheet_id"].isin({fault["sheet_id"] for fault in faults})]
    table = table.reset_index(drop=True)
    if table.empty:
        why = "{where}: {reason}".format_map(faults[0]) if faults else "none read"
        raise SteelDefectsError(
            f"no sound sheet is left; findings.json has the reasons, such as {why}"
        )
    # A group is named after the first of its sheets, so that its name outlives new sheets.
    first = table.groupby("group_id")["sheet_id"].transform("min")
    defective = table["sheet_id"].isin(set(annotations["sheet_id"]))
    table = table.assign(group_id=first, has_defect=defective)
    if len(void_pixels):
        void = table["sheet_id"].map(void_pixels.set_index("sheet_id")["rle"])
        table = table.assign(void=void.fillna(""))
    return SHEETS.typed(table)


def locate_sheets(
    sheets: pd.DataFrame,
    sheet_inventory: pd.DataFrame,
    raw_positions: pd.DataFrame,
    positions: PositionsConfig,
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Find coil and position of every sound sheet; see :func:`find_positions`.

    A row for a picture that was set aside is no mistake.
    """
    ids = sheet_inventory["sheet_id"].tolist()
    everything, findings = find_positions(ids, raw_positions, positions)
    if findings:
        logger.warning("%d findings in the positions of sheets", len(findings))
    located = sheets[["sheet_id"]].merge(everything, on="sheet_id", how="left", validate="1:1")
    return located, [asdict(finding) for finding in findings]


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
    config, earlier = data_engineering, earlier_split_assignments
    if config.resplit or earlier.empty:
        earlier = SPLIT_ASSIGNMENTS.empty()
    shares: dict[str, float] = dict(config.shares.items())
    division = Division(shares, cross_validation.folds, cross_validation.repeats, config.seed)
    splits = divide(sheets, _strata(sheets, annotations), earlier, division)
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
    label_corrections: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
) -> dict[str, Any]:
    """Sum up what was found and what was set aside."""
    names = data_engineering.class_names
    tables = (sheets, annotations, splits, sheet_inventory, similar_sheets)
    return quality_report(*tables, findings + position_findings, names, label_corrections)


def measure_leakage(
    raw_sheets: SheetFolder,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    splits: pd.DataFrame,
    sheet_inventory: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare held-out with training sheets, and score a lookup, under these and random splits."""
    config = data_engineering
    described = sheets[["sheet_id", "path", "height", "width"]].merge(
        sheet_inventory[["sheet_id", "fingerprint"]], on="sheet_id"
    )
    ids = described["sheet_id"].tolist()
    shares: dict[str, float] = dict(config.shares.items())
    divisions = {
        "by group": splits.set_index("sheet_id")["split"].loc[ids].tolist(),
        # What a split that knows nothing of copies would do.
        "at random": assign_groups(ids, [""] * len(ids), shares, config.seed),
    }
    masks = masks_by_sheet(annotations)
    lookups = [
        {"division": name, **lookup_baseline(described, masks, parts, config.classes)}
        for name, parts in divisions.items()
    ]
    return leakage_table(described, divisions, raw_sheets.read), pd.DataFrame(lookups)


def find_oddest_sheets(sheets: pd.DataFrame, sheet_inventory: pd.DataFrame) -> pd.DataFrame:
    """List the sheets that are least like the rest."""
    described = sheet_inventory.merge(sheets[["sheet_id", "group_id"]], on="sheet_id")
    return oddest_sheets(described, nearest_similarity(described), ODDEST)


def draw_oddest_sheets(
    raw_sheets: SheetFolder,
    oddest_sheets: pd.DataFrame,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    findings: Findings,
    data_engineering: DataEngineeringConfig,
) -> Any:
    """Draw a contact sheet: an example of each kind of mask that looks wrong, the oddest sheets."""
    from steel_defects.drawing.overlays import draw_overlay
    from steel_defects.drawing.style import contact_sheet

    paths, masks = sheets.set_index("sheet_id")["path"], masks_by_sheet(annotations)
    pictures, captions = [], []
    for doubt in (one for one in findings if one["where"] == "labels"):
        if doubt["sheet_id"] in masks:
            image = raw_sheets.read(paths[doubt["sheet_id"]])
            drawn = {k: run_length.decode(rle, *image.shape)
                     for k, rle in masks[doubt["sheet_id"]].items()}  # fmt: skip
            overlay = draw_overlay(image, drawn, data_engineering.class_names, labels=())
            pictures.append(overlay[..., ::-1])
            captions.append(doubt["reason"])
    pictures += [raw_sheets.read(path) for path in oddest_sheets["path"]]
    captions += [
        f"{row.sheet_id}: {row.measure} {row.value:.3g} (percentile {row.percentile:.1f})"
        for row in oddest_sheets.itertuples()
    ]
    return contact_sheet(pictures, captions)
