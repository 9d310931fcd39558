"""The pipeline that looks at new data and proposes the parameters for them."""

import logging
from collections import Counter
from dataclasses import replace

import pandas as pd
from kedro.pipeline import Pipeline

from steel_defects.data.config import DataEngineeringConfig
from steel_defects.data.inventory import take_inventory
from steel_defects.data.proposal import DataFacts, Proposal, has_gate, propose
from steel_defects.data.trust import refuse_lost_labels
from steel_defects.images.folder import SheetFolder
from steel_defects.labels import values
from steel_defects.labels.formats.recognise import READERS, recognise
from steel_defects.labels.mask_folder import MaskFolder, with_suffix
from steel_defects.models.config import Network, NetworkConfig
from steel_defects.pipelines.data_engineering.label_sources import Labels, read_masks
from steel_defects.pipelines.wiring import node
from steel_defects.training.config import (
    ClassificationConfig,
    CrossValidationConfig,
    SegmentationConfig,
)

logger = logging.getLogger(__name__)


def create_pipeline() -> Pipeline:
    """From a folder of pictures and labels to a file of parameters."""
    network = "params:unet.network"
    return Pipeline(
        [node(propose_parameters, "proposed_parameters", unet=network)], tags="proposal"
    )


def propose_parameters(
    raw_sheets: SheetFolder,
    raw_annotations: Labels,
    data_engineering: DataEngineeringConfig,
    segmentation: SegmentationConfig,
    classification: ClassificationConfig,
    cross_validation: CrossValidationConfig,
    unet: NetworkConfig,
) -> str:
    """Read the data, time a few steps of training, and write parameters with their reasons.

    Of ``data_engineering`` only what says how labels are read counts: ``labels``,
    ``unlabelled`` and the limits.

    Raises:
        SteelDefectsError: There are no labels to learn from, or their names miss the pictures.
    """
    from steel_defects.training.backend import has_accelerator

    facts = gather_facts(raw_sheets, raw_annotations, data_engineering)
    facts = replace(facts, accelerator=has_accelerator())
    settings = propose(facts)
    proposal = Proposal(settings)
    times = _times(
        facts,
        proposal,
        proposal.over("segmentation", segmentation),
        proposal.over("classification", classification),
        proposal.over("unet.network", unet.root),
        cross_validation.folds,
    )
    heading = [
        f"Proposed for {raw_sheets.root}: {_summary(facts)}",
        "Copy it to conf/mine/parameters.yml, beside a globals.yml (docs/how-to/own_data.md). What "
        "is not named here is as in conf/base.",
        *times,
    ]
    for line in heading:
        logger.info(line)
    return replace(proposal, heading=heading).as_yaml()


def gather_facts(sheets: SheetFolder, labels: Labels, config: DataEngineeringConfig) -> DataFacts:
    """Read pictures and labels without knowing their sizes and classes."""
    inventory = take_inventory(sheets)
    found = _values(labels, config)
    reading = config.model_copy(
        update={
            "class_names": found.class_names,
            "mask_values": found.mask_values,
            "mask_threshold": found.mask_threshold,
            "label_map": {},
        }
    )
    masks = read_masks(labels, sheets.root, inventory, reading)
    refuse_lost_labels(masks, config.limits)
    sound = inventory[inventory["problem"] == ""]
    aside = {finding.sheet_id for finding in masks.findings if finding.set_aside}
    learned = sound[~sound["sheet_id"].isin(aside)]
    defective = int(learned["sheet_id"].isin(set(masks.table["sheet_id"])).sum())
    sizes = Counter(zip(map(int, sound["height"]), map(int, sound["width"]), strict=True))
    return DataFacts(
        sizes=sizes,
        class_names=found.class_names,
        clean=len(learned) - defective,
        defective=defective,
        unlabelled=len(masks.unlabelled),
        set_aside=len(inventory) - len(learned) - len(masks.unlabelled),
        mask_values=found.mask_values,
        mask_threshold=found.mask_threshold,
        without_mask=_without_mask(labels, sound),
    )


def _values(labels: Labels, config: DataEngineeringConfig) -> values.LabelValues:
    if isinstance(labels, pd.DataFrame):
        return values.of_rows(labels)
    if isinstance(labels, MaskFolder):
        return values.of_masks(labels)
    files = recognise(labels, None if config.labels == "auto" else config.labels)
    return values.of_shapes(READERS[files.kind](files.root, files.files))


def _without_mask(labels: Labels, sound: pd.DataFrame) -> int:
    if not isinstance(labels, MaskFolder):
        return 0
    masks = with_suffix(labels, sound["sheet_id"])
    return sum(not masks.path_of(sheet_id).is_file() for sheet_id in sound["sheet_id"])


def _summary(facts: DataFacts) -> str:
    height, width = facts.usual
    sizes = "" if len(facts.sizes) == 1 else f" and {len(facts.sizes) - 1:,} more sizes"
    parts = [f"{facts.clean:,} clean and {facts.defective:,} defective sheets",
             f"{width}×{height} pixels{sizes}"]  # fmt: skip
    parts += [f"{facts.unlabelled:,} not labelled"] * bool(facts.unlabelled)
    parts += [f"{facts.set_aside:,} set aside"] * bool(facts.set_aside)
    return ", ".join(parts)


def _times(
    facts: DataFacts,
    proposal: Proposal,
    segmentation: SegmentationConfig,
    classification: ClassificationConfig,
    unet: Network,
    folds: int,
) -> list[str]:
    """Say how long trainings take on this machine, at the most: they may stop earlier."""
    from steel_defects.training.duration import classifier_step, segmenter_step

    tile = proposal.value("data_engineering.tile_size")
    step = segmenter_step(unet, segmentation, tuple(tile), len(facts.class_names))
    lines = [_line("unet", segmentation.epochs * segmentation.steps_per_epoch, step)]
    if has_gate(facts):
        step = classifier_step("mobilenet_v2", classification)
        train = proposal.value("data_engineering.shares")["train"] * facts.sheets
        steps = classification.epochs * max(1, round(train / classification.batch_size))
        lines.append(_line("mobilenet_v2", steps, step))
        if proposal.value("cross_validation.models"):
            lines.append(_line(f"its {folds} folds", folds * steps, step))
    return lines


def _line(name: str, steps: int, seconds: float) -> str:
    hours = steps * seconds / 3600
    long = f"{hours:.1f} hours" if hours >= 1 else f"{max(1, round(60 * hours))} minutes"
    return (
        f"Training {name} takes about {long} on this machine at most: {steps:,} steps of "
        f"{seconds:.2f} s, measured."
    )
