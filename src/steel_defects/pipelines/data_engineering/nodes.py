"""Nodes that turn a folder of pictures and a file of masks into the canonical tables."""

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from steel_defects.data.config import DataEngineeringConfig, PositionsConfig
from steel_defects.data.inventory import take_inventory
from steel_defects.data.leakage import leakage_table, lookup_baseline
from steel_defects.data.positions import find_positions
from steel_defects.data.quality import oddest_sheets, quality_report, segmenter_only_report
from steel_defects.data.segmenter_only import (
    PREFIX,
    SecondFolder,
    learners,
    parted,
    reading_both,
)
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
    groups_beside,
)
from steel_defects.data.tiles import tile_table
from steel_defects.errors import SteelDefectsError
from steel_defects.images.folder import SheetFolder
from steel_defects.labels import rle as run_length
from steel_defects.labels.masks import masks_by_sheet
from steel_defects.models.config import Backbones
from steel_defects.pipelines.data_engineering.label_checks import (
    LABELS,
    checked_beside,
    checked_labels,
    sound_pictures,
    tell,
)
from steel_defects.pipelines.data_engineering.label_sources import (
    Labels,
    Relabelling,
    read_labels,
)
from steel_defects.tables.columns import SEGMENTER_ONLY
from steel_defects.tables.declared import (
    SHEET_GROUPS,
    SHEET_INVENTORY,
    SHEETS,
    SIMILAR_SHEETS,
    SPLIT_ASSIGNMENTS,
)
from steel_defects.training.config import CrossValidationConfig
from steel_defects.training.jobs import need_both_kinds

logger = logging.getLogger(__name__)

Findings = list[dict[str, Any]]

ODDEST = 12  # sheets on the contact sheet


def inventory_sheets(
    raw_sheets: SheetFolder,
    earlier_sheet_inventory: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
    segmenter_only_sheets: SheetFolder | None = None,
) -> pd.DataFrame:
    """Read every new or changed picture: size, brightness, fingerprint, or what is wrong."""
    expected, earlier = data_engineering.expected_size, earlier_sheet_inventory
    own = _inventory(raw_sheets, expected, earlier)
    if segmenter_only_sheets is None:
        return own
    second = SecondFolder(raw_sheets, segmenter_only_sheets)
    second.check()
    known = second.inward(earlier) if len(earlier) else None
    alone = second.outward(_inventory(segmenter_only_sheets, expected, known))
    return SHEET_INVENTORY.typed(pd.concat([own, alone], ignore_index=True))


def _inventory(
    folder: SheetFolder, expected_size: tuple[int, int] | None, earlier: pd.DataFrame | None
) -> pd.DataFrame:
    if folder.left_out:
        logger.warning("not looked at in %s: %s", folder.picture_folder, folder.left_out)
    return take_inventory(folder, expected_size, earlier)


def compare_sheets(
    raw_sheets: SheetFolder,
    sheet_inventory: pd.DataFrame,
    earlier_similar_sheets: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
) -> pd.DataFrame:
    """Find copies and look-alikes among the sound pictures, in all orientations."""
    sound = sound_pictures(sheet_inventory)
    own, alone = parted(sound, data_engineering.segmenter_only)
    read = reading_both(raw_sheets, alone).read
    options = (read, LOOK_ALIKE_SIMILARITY, data_engineering.compare_parts)
    similar = find_similar(own, *options, earlier_similar_sheets)
    if alone.empty:
        return similar
    # Apart, since each sheet is compared with its nearest ones only, and further ones would
    # displace those of the data folder.
    compared = pd.concat([earlier_similar_sheets, similar], ignore_index=True)
    both = find_similar(sound, *options, compared)
    ends = both[["sheet_id", "other_id"]].isin(set(alone["sheet_id"])).any(axis=1)
    return SIMILAR_SHEETS.typed(pd.concat([similar, both[ends]], ignore_index=True))


def group_similar_sheets(
    sheet_inventory: pd.DataFrame,
    similar_sheets: pd.DataFrame,
    earlier_split_assignments: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
) -> pd.DataFrame:
    """Put similar sheets into groups, and set aside new ones that would join two splits."""
    config = data_engineering
    sound, alone = parted(sound_pictures(sheet_inventory), config.segmenter_only)
    ids, splits = sound["sheet_id"], {}
    if not config.resplit:
        earlier = earlier_splits(earlier_split_assignments, dict(config.shares.items()))
        known = zip(ids, sound["sha256"], strict=True)
        splits = {sheet_id: earlier[digest] for sheet_id, digest in known if digest in earlier}
    similar = similar_sheets[similar_sheets["relation"] != DIFFERENT]
    pairs = list(zip(similar["sheet_id"], similar["other_id"], strict=True))
    of_folder = filter(set(ids).issuperset, pairs)
    groups, aside = group_sheets(ids.tolist(), of_folder, splits)
    problems = [aside.get(sheet_id, "") for sheet_id in ids]
    table = SHEET_GROUPS.typed(sound.assign(group_id=ids.map(groups), problem=problems))
    if alone.empty:
        return table
    beside = groups_beside(table, alone["sheet_id"].tolist(), pairs)
    return SHEET_GROUPS.typed(pd.concat([table, beside], ignore_index=True))


def check_annotations(
    raw_annotations: Labels,
    raw_sheets: SheetFolder,
    sheet_inventory: pd.DataFrame,
    sheet_groups: pd.DataFrame,
    corrections: Path,
    earlier_labelling_sheets: pd.DataFrame,
    earlier_label_corrections: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
    segmenter_only_sheets: SheetFolder | None = None,
    segmenter_only_annotations: Labels | None = None,
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
    own = parted(sheet_inventory, config.segmenter_only)[0]
    masks, relabelled = read_labels(raw_annotations, raw_sheets, own, config, relabelling)
    checked = checked_labels(masks, own, sheet_groups, config)
    if segmenter_only_sheets is not None and segmenter_only_annotations is not None:
        second = SecondFolder(raw_sheets, segmenter_only_sheets)
        tables = (sheet_inventory, sheet_groups)
        beside = checked_beside(second, segmenter_only_annotations, *tables, config)
        checked = checked.with_those(beside)
    tell(checked.findings, checked.told)
    findings = [asdict(finding) for finding in checked.findings]
    return checked.annotations, findings, relabelled, checked.void


def build_sheets(
    sheet_inventory: pd.DataFrame,
    sheet_groups: pd.DataFrame,
    annotations: pd.DataFrame,
    findings: Findings,
    void_pixels: pd.DataFrame,
    segmenter_only: str | None = None,
) -> pd.DataFrame:
    """Make the table of sound sheets."""
    faults = [finding for finding in findings if finding["set_aside"]]
    table = sound_pictures(sheet_inventory).merge(
        sheet_groups[["sheet_id", "group_id"]], on="sheet_id"
    )
    table = table[~table["sheet_id"].isin({fault["sheet_id"] for fault in faults})]
    table = table.reset_index(drop=True)
    own, alone = parted(table, segmenter_only)
    if own.empty:
        why = "{where}: {reason}".format_map(faults[0]) if faults else "none read"
        raise SteelDefectsError(
            f"no sound sheet is left; findings.json has the reasons, such as {why}"
        )
    # A group is named after the first of its sheets, so that its name outlives new sheets.
    # Sheets for segmenters alone have no say in it, unless there are no others in it.
    names = pd.concat([part.groupby("group_id")["sheet_id"].min() for part in (own, alone)])
    first = table["group_id"].map(names[~names.index.duplicated()])
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
    segmenter_only: str | None = None,
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Find coil and position of every sound sheet; see :func:`find_positions`.

    A row for a picture that was set aside is no mistake. Sheets for segmenters alone have none.
    """
    ids = parted(sheet_inventory, segmenter_only)[0]["sheet_id"].tolist()
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
    sheets, alone = parted(sheets, data_engineering.segmenter_only)
    if backbones and backbones.root:
        need_both_kinds(sheets)
    config, earlier = data_engineering, earlier_split_assignments
    if config.resplit or earlier.empty:
        earlier = SPLIT_ASSIGNMENTS.empty()
    shares: dict[str, float] = dict(config.shares.items())
    division = Division(shares, cross_validation.folds, cross_validation.repeats, config.seed)
    splits = divide(sheets, _strata(sheets, annotations), earlier, division)
    assignments = assignments_of(sheets, splits)
    if len(alone):
        beside = alone[["sheet_id", "group_id"]].assign(split=SEGMENTER_ONLY)
        beside["fold"] = [[] for _ in range(len(alone))]
        splits = pd.concat([splits, beside], ignore_index=True)
    return splits, assignments


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
    """Sum up what was found and what was set aside, of sheets for segmenters alone apart."""
    config, names = data_engineering, data_engineering.class_names
    (own, alone), (masks, masks_alone), (divided, _), (pictures, _) = (
        parted(table, config.segmenter_only)
        for table in (sheets, annotations, splits, sheet_inventory)
    )
    similar = parted(
        parted(similar_sheets, config.segmenter_only)[0], config.segmenter_only, "other_id"
    )[0]
    of_second = [
        config.segmenter_only is not None and one["sheet_id"].startswith(PREFIX) for one in findings
    ]
    others, second = (
        [one for one, there in zip(findings, of_second, strict=True) if there == wanted]
        for wanted in (False, True)
    )
    tables = (own, masks, divided, pictures, similar)
    report = quality_report(*tables, others + position_findings, names, label_corrections)
    if config.segmenter_only is None:
        return report
    report |= segmenter_only_report(alone, masks_alone, splits, second, names)
    return report | {"quarantined": report["quarantined"] + second}


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
    everything = sheets[["sheet_id", "path", "height", "width"]].merge(
        sheet_inventory[["sheet_id", "fingerprint"]], on="sheet_id"
    )
    described, alone = parted(everything, config.segmenter_only)
    ids = described["sheet_id"].tolist()
    shares: dict[str, float] = dict(config.shares.items())
    divisions = {
        "by group": splits.set_index("sheet_id")["split"].loc[ids].tolist(),
        # What a split that knows nothing of copies would do.
        "at random": assign_groups(ids, [""] * len(ids), shares, config.seed),
    }
    masks, read = masks_by_sheet(annotations), reading_both(raw_sheets, alone).read
    parts = [(described, divisions)]
    if len(alone):
        split = splits.set_index("sheet_id")["split"].loc[everything["sheet_id"]]
        learned = split.where(~split.index.isin(learners(splits)), "train").tolist()
        parts.append((everything, {f"by group, with {SEGMENTER_ONLY}": learned}))
    lookups = [
        {"division": name, **lookup_baseline(table, masks, splits_of, config.classes)}
        for table, ways in parts
        for name, splits_of in ways.items()
    ]
    tables = [leakage_table(table, ways, read) for table, ways in parts]
    return pd.concat(tables, ignore_index=True), pd.DataFrame(lookups)


def find_oddest_sheets(
    sheets: pd.DataFrame, sheet_inventory: pd.DataFrame, segmenter_only: str | None = None
) -> pd.DataFrame:
    """List the sheets that are least like the rest; those for segmenters alone play no part."""
    own = parted(sheets, segmenter_only)[0]
    described = sheet_inventory.merge(own[["sheet_id", "group_id"]], on="sheet_id")
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
    raw_sheets = reading_both(raw_sheets, parted(sheets, data_engineering.segmenter_only)[1])
    pictures, captions = [], []
    for doubt in (one for one in findings if one["where"] == LABELS):
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
