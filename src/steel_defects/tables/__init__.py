"""Columns, types and ranges of the tables that people rely on.

Each is a catalog dataset's ``validator``. The number of classes is a parameter, so class ids are
only held to be positive here; :func:`steel_defects.labels.severstal.check_annotations` knows
the range.
"""

from steel_defects.tables.columns import (
    SPLITS,
)
from steel_defects.tables.data import (
    annotations,
    leakage,
    lookup_baseline,
    oddest_sheets,
    sheet_groups,
    sheet_inventory,
    sheet_positions,
    sheets,
    similar_sheets,
    split_assignments,
    splits,
    tiles,
)
from steel_defects.tables.deployment import export_parity, latency
from steel_defects.tables.detection import (
    defect_targets,
    evaluated_pairs,
    robustness,
)
from steel_defects.tables.inspection import (
    VERDICTS,
    defects,
    submission,
    verdicts,
)
from steel_defects.tables.models import (
    class_comparison,
    classification_comparison,
    classifier_outputs,
    confident_mistakes,
    gate_scores,
    grad_cam_check,
    heat_maps,
    history,
    out_of_fold_scores,
    overlay_selection,
    predictions,
    segmentation_comparison,
    sheet_scores,
)
from steel_defects.tables.runs import changed_verdicts, run_comparison

__all__ = [
    "SPLITS",
    "VERDICTS",
    "annotations",
    "changed_verdicts",
    "class_comparison",
    "classification_comparison",
    "classifier_outputs",
    "confident_mistakes",
    "defect_targets",
    "defects",
    "evaluated_pairs",
    "export_parity",
    "gate_scores",
    "grad_cam_check",
    "heat_maps",
    "history",
    "latency",
    "leakage",
    "lookup_baseline",
    "oddest_sheets",
    "out_of_fold_scores",
    "overlay_selection",
    "predictions",
    "robustness",
    "run_comparison",
    "segmentation_comparison",
    "sheet_groups",
    "sheet_inventory",
    "sheet_positions",
    "sheet_scores",
    "sheets",
    "similar_sheets",
    "split_assignments",
    "splits",
    "submission",
    "tiles",
    "verdicts",
]
