"""Every table that people rely on: what a row is, its columns, and what tells rows apart."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd

from steel_defects.tables.columns import COLUMNS, SEGMENTER_ONLY, SPLIT_NAMES, Column, Table


def _table(
    about: str, names: str, changed: Mapping[str, Column] | None = None, **options: Any
) -> Table:
    """Declare a table.

    Args:
        about: What a row is.
        names: Its columns, with blanks between them: ``name*`` is one of those that tell rows
            apart, ``name?`` may lack values here and nowhere else.
        changed: Those that hold something else here than elsewhere.
        options: Of :class:`Table`.
    """
    columns: dict[str, Column] = {}
    for name in names.split():
        column = COLUMNS[name.rstrip("*?")]
        columns[name.rstrip("*?")] = replace(column, nullable=True) if "?" in name else column
    unique = tuple(name[:-1] for name in names.split() if name.endswith("*"))
    return Table(about, columns | dict(changed or {}), unique, **options)


def _least(column: str, low: float | None) -> dict[str, Column]:
    return {column: replace(COLUMNS[column], low=low)}


_csv = partial(_table, from_csv=True)
_comparison = partial(_table, from_csv=True, further=True)
_LISTS = Column("object", 0)
_ANY_RLE = _least("rle", None)
_SOME_SHEETS = _least("sheets", 1)
_ANY_REASON = _least("reason", None)
_ANY_SPLIT = {"split": replace(COLUMNS["split"], values=(*SPLIT_NAMES, SEGMENTER_ONLY))}

# --- data engineering -------------------------------------------------------------------------

SHEET_INVENTORY = _table(
    "One row per picture that was found; one that can't be used has a `problem` and may lack the "
    "rest.",
    "sheet_id* path problem note width? height? exif bits sha256? bytes modified_ns "
    "mean_intensity? contrast? black_fraction? saturated_fraction? thumbnail fingerprint version",
)
SIMILAR_SHEETS = _table(
    "One row per pair of sheets that was worth comparing.",
    "sheet_id* other_id* sha256 other_sha256 relation similarity score orientation",
    changed={"score": COLUMNS["similarity"]},
)
SHEET_GROUPS = _table(
    "One row per sound picture; one that would join groups of different splits has a `problem`.",
    "sheet_id* group_id problem",
)
VOID_PIXELS = _table(
    "One row per sheet with pixels of which nobody can tell whether they show a defect.",
    "sheet_id* rle area_px",
)
SHEETS = _table(
    "One row per sheet.",
    "sheet_id* path width height sha256 group_id mean_intensity black_fraction has_defect void",
)
ANNOTATIONS = _table("One row per defective sheet and class.", "sheet_id* class_id* rle area_px")

LABEL_CORRECTIONS = _table(
    "One row per sheet that people labelled again: where its label stands now, and how far it is "
    "from the one before.",
    "sheet_id* source labelled_at was_labelled before_px after_px overlap changed label merged_at",
)
LABELLING_SHEETS = _table(
    "One row per labelling job and sheet in it: the sheets that were sent to people who label.",
    "job* name* sheet_id path origin split? why sha256 outlines",
)


def _groups_lie_in_one_split(frame: pd.DataFrame) -> bool:
    divided = frame[frame["split"] != SEGMENTER_ONLY]
    return bool((divided.groupby("group_id")["split"].nunique() <= 1).all())


SPLITS = _table(
    "One row per sheet; near-duplicates share a group, and no group lies in two splits. Sheets for "
    "segmenters alone (`segmenter_only`) have the group that they resemble, and no fold.",
    "sheet_id* group_id split fold",
    changed={"fold": _LISTS} | _ANY_SPLIT,
    rule=(_groups_lie_in_one_split, "a group lies in two splits"),
)
SPLIT_ASSIGNMENTS = _table(
    "One row per content of a sheet: what keeps it where it is when sheets are added.",
    "sha256* split fold",
    changed={"fold": _LISTS},
)
SHEET_POSITIONS = _table(
    "One row per sheet: which coil it was taken from, and where along it; null where unknown.",
    "sheet_id* coil_id position_mm",
)
TILES = _table(
    "One row per window of a sheet.",
    "sheet_id split x y width height area_px",
    changed={"area_px": replace(_LISTS, unit="pixels")} | _ANY_SPLIT,
)
LEAKAGE = _csv(
    "One row per way to divide and held-out split: how close its sheets come to training sheets.",
    "division* split* sheets similarity_p50 similarity_p95 similarity_max copies",
    changed=_SOME_SHEETS,
)
LOOKUP_BASELINE = _csv(
    "One row per way to divide: what the masks of the nearest training sheets score on the test "
    "sheets.",
    "division* sheets mean_dice mean_iou all_empty_dice",
)
ODDEST_SHEETS = _csv(
    "One row per sheet that is unlike the rest.", "sheet_id* path measure value percentile"
)

# --- classification ---------------------------------------------------------------------------

HISTORY = _table("One row per epoch.", "epoch* loss", further=True)
CLASSIFIER_OUTPUTS = _table(
    "One row per sheet: what the network says, before calibration.",
    "sheet_id* split has_defect output",
)
HEAT_MAPS = _table(
    "One row per sheet: where in it the network sees a defect, as `rows × columns` values.",
    "sheet_id* rows columns heat",
)
OUT_OF_FOLD_SCORES = _table(
    "One row per sheet and repeat of a cross-validation; no rows without one.",
    "sheet_id* repeat* fold output score threshold",
)
SHEET_SCORES = _table(
    "One row per sheet, and one more for each repeat of a cross-validation.",
    "sheet_id* split repeat* fold has_defect output score threshold",
)
CLASSIFICATION_COMPARISON = _comparison(
    "One row per backbone and evaluation; further figures, and the intervals of all, have columns "
    "of their own.",
    "backbone* weights evaluation* sheets defective_sheets repeats accuracy accuracy_low "
    "accuracy_high roc_auc pr_auc fpr_at_recall_99 parameters parameters_with_top "
    "ms_per_sheet_p50 ms_per_sheet_p90 training_seconds",
)
GATE_SCORES = _table(
    "One row per sheet with the chosen gate's score, and one more for each repeat of a "
    "cross-validation; no rows without a gate.",
    "sheet_id* repeat* score cleared",
)

# --- segmentation -----------------------------------------------------------------------------

_ANY_MASK = _ANY_RLE | _least("area_px", 0)
PREDICTIONS = _table(
    "One row per sheet and class.",
    "sheet_id* split repeat* fold class_id* class_name rle area_px score",
    changed=_ANY_MASK | {"class_name": replace(COLUMNS["class_name"], optional=True)},
)
OUT_OF_FOLD_PREDICTIONS = _table(
    "One row per sheet, repeat and class: masks of sheets that the network had not seen.",
    "sheet_id* split repeat* fold class_id* rle area_px score",
    changed=_ANY_MASK,
)
SEGMENTATION_COMPARISON = _comparison(
    "One row per architecture and evaluation.",
    "architecture* evaluation* sheets mean_dice mean_iou dice_on_positives "
    "boundary_iou_on_positives boundary_f1_on_positives detection_rate false_positive_rate "
    "pooled_mean_iou pooled_mean_iou_with_background pooled_mean_dice "
    "pooled_mean_dice_with_background parameters ms_per_sheet training_seconds",
)
CLASS_COMPARISON = _comparison(
    "One row per architecture and class.",
    "architecture* class_id* class_name positives mean_dice mean_iou dice_on_positives "
    "detection_rate false_positive_rate",
)

# --- learning curve ---------------------------------------------------------------------------

LEARNING_CURVE = _csv(
    "One row per model, share of the sheets, seed and figure: what the model reaches on the fold "
    "that is held out of all shares; `sheets` are those of the share.",
    "model* share* seed* sheets metric* value low high",
    changed=_SOME_SHEETS | {"value": replace(COLUMNS["low"], about="")},
)

# --- reporting --------------------------------------------------------------------------------

OVERLAY_SELECTION = _table("One row per sheet to draw.", "sheet_id outcome caption")
GRAD_CAM_CHECK = _csv(
    "One row per defective sheet: how much of its heat lies on its defects, and of a map that "
    "knows nothing of it; `…_near` counts what is within a cell of them, too.",
    "sheet_id* outcome heat_share gaussian_share uniform_share "
    "heat_share_near gaussian_share_near uniform_share_near",
    changed={"outcome": replace(COLUMNS["outcome"], values=("hit", "miss"))},
)
CONFIDENT_MISTAKES = _csv(
    "One row per sheet that the chosen gate is wrong about, the most certain first.",
    "sheet_id* has_defect score evaluation",
    changed={"evaluation": replace(COLUMNS["evaluation"], values=("out_of_fold", *SPLIT_NAMES))},
)
EVALUATED_PAIRS = _table(
    "One row per sheet, class and evaluation: how well its masks agree.",
    "sheet_id* class_id* dice iou boundary_iou boundary_f1 true_px predicted_px evaluation*",
)
DEFECT_TARGETS = _table(
    "One row per connected region of a true mask.", "sheet_id class_id size_px found"
)
CLASS_CONFUSION = _csv(
    "One row per class of a true region and class that it was given: how many regions; without a "
    "class they were `missed`, or are a `false alarm`.",
    "evaluation sheets class_id* class_name predicted_class_id* predicted_class_name regions",
    changed={
        name: replace(COLUMNS[name], nullable=True) for name in ("class_id", "predicted_class_id")
    },
)
ROBUSTNESS = _csv(
    "One row per corruption and level, 0 for the sheets as they are; no rows where it is not "
    "measured.",
    "corruption* level* strength sheets accuracy recall false_positive_rate mean_dice "
    "dice_on_positives",
    changed=_SOME_SHEETS,
)
RUN_COMPARISON = _table(
    "One row per part, evaluation and figure of two versions, on the sheets that both scored; no "
    "rows where none was named to compare with.",
    "compared_with part* model version evaluation* sheets left_out changed_labels metric* before "
    "after difference difference_low difference_high",
    changed=_SOME_SHEETS | {"version": COLUMNS["model"]},
)
CHANGED_VERDICTS = _table(
    "One row per sheet whose verdict is another than that of the earlier version.",
    "sheet_id* has_defect verdict_before verdict_after better",
)

# --- labelling --------------------------------------------------------------------------------

LABEL_ISSUES = _table(
    "One row per sheet and class whose label is worth a second look, the most doubtful first: a "
    "mask that is missing, one that is too much, one of another class, or one that lies elsewhere.",
    "rank sheet_id* class_id* class_name kind predicted_class_id? predicted_class_name? score "
    "confident labelled_px predicted_px overlap x? y? width? height? evaluation",
    changed={
        "score": replace(COLUMNS["score"], about="probability that the label is wrong"),
        "evaluation": replace(COLUMNS["evaluation"], values=("out_of_fold", *SPLIT_NAMES)),
    },
)

# --- promotion --------------------------------------------------------------------------------

PROMOTIONS = _csv(
    "One row per decision about a package: whether it was promoted, and what decided.",
    "decided_at* candidate model_id thresholds_id replaces taken by reason why sheets test_split "
    "test_reads",
    changed={"replaces": replace(COLUMNS["candidate"], low=None)},
)

# --- deployment and inspection ----------------------------------------------------------------

EXPORT_PARITY = _csv(
    "One row per network, runtime and precision: how close it is to the trained network.",
    "network* runtime* precision* sheets max_difference tolerance changed_verdicts dice_change "
    "passed reason",
    changed=_ANY_REASON,
)
LATENCY = _csv(
    "One row per network, runtime and precision: how fast it is.",
    "network* runtime* precision* ms_p50 ms_p90 ms_p99 sheets_per_second "
    "streaming_sheets_per_second file_mb peak_memory_mb reason",
    changed=_ANY_REASON,
)
SUBMISSION = _table(
    "The competition's form: one row per sheet and class, an empty mask for none.",
    "ImageId_ClassId* EncodedPixels",
)
VERDICTS = _table(
    "One row per inspected sheet.",
    "sheet_id* path coil_id position_mm gate_score joint_score margin verdict defect_count "
    "defect_area_px classes severity? ignored_count reason remarks model_id thresholds_id "
    "inspected_at",
)
DEFECTS = _table(
    "One row per defect region.",
    "sheet_id class_id class_name coil_id position_mm x y width height area_px length_px area_mm2 "
    "length_mm orientation_deg score severity ignored",
)
SHEETS_TO_CHECK = _csv(
    "One row per sheet to check again, the most doubtful first.",
    "sheet_id* path coil_id position_mm verdict reason gate_score joint_score margin classes? "
    "severity?",
    changed={"classes": Column("str", nullable=True)},
)
