"""What gate and segmenter decide together, out of fold.

    python benchmarks/cascade.py [--env cpu] [--architecture NAME] [--target-recall 0.9] [--recalls]

Reads what `kedro run --env=cpu --pipelines=data_engineering,classification,segmentation` left in
the catalog, with both networks cross-validated. The gate's threshold is chosen on all out-of-fold
scores, that of the stacked score with the fold left out that it decides on. With --recalls, the
whole table of recalls is chosen with the fold left out, and held against it.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from sklearn.metrics import roc_auc_score

from steel_defects.decision.fusion import cleared_sheets, stack_scores
from steel_defects.decision.operating_point import OperatingPointConfig
from steel_defects.decision.recall_table import recall_table
from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.gate import operating_point_of
from steel_defects.evaluation.model_comparison import out_of_fold_row
from steel_defects.pipelines.segmentation.nodes import join_gate_scores

ROOT = Path(__file__).parents[1]
RECALLS = (0.8, 0.85, 0.9, 0.95, 0.97, 0.99)
FIGURES = ("mean_dice", "mean_dice_gated", "all_empty_dice", "dice_on_positives_gated")


def report(evidence: pd.DataFrame, config: OperatingPointConfig) -> pd.Series:
    """Print what is decided; returns which sheets pass, a row each."""
    defective = evidence["has_defect"].to_numpy(bool)
    passed = cleared_sheets(evidence, None, config)
    stacked = stack_scores(evidence, config).stacked
    if stacked is None:
        raise SteelDefectsError("there are too few sheets to stack the scores of both networks")
    together = stacked.score(evidence["gate"].to_numpy(float), evidence["presence"].to_numpy(float))
    for name, values in (
        ("gate", evidence["gate"]), ("segmenter", evidence["presence"]), ("together", together)
    ):  # fmt: skip
        print(f"  ROC-AUC of {name}: {roc_auc_score(defective, values):.3f}")
    for name, cleared in (("gate alone", evidence["cleared"].to_numpy(bool)), ("cascade", passed)):
        missed, alarms = int((cleared & defective).sum()), int((~cleared & ~defective).sum())
        print(
            f"  {name}: {missed} of {defective.sum()} defective sheets accepted, "
            f"{alarms} of {(~defective).sum()} clean ones not accepted"
        )
    return pd.Series(passed, index=evidence.index)


def recalls_in_folds(
    scores: pd.DataFrame, evidence: pd.DataFrame, sheets: pd.DataFrame, config: OperatingPointConfig
) -> pd.DataFrame:
    """Choose tables of recalls on the other folds of a repeat, and count misses in the fold.

    Returns:
        One row per recall that was asked for and fold: ``target, bound, missed, defective``;
        without those that the other folds cannot prove.
    """
    rows = []
    for (repeat, fold), left_out in evidence.groupby(["repeat", "fold"]):
        others = evidence[evidence["repeat"].eq(repeat) & evidence["fold"].ne(fold)]
        known = scores[scores["repeat"].eq(repeat) & scores["fold"].ne(fold)]
        stacked = stack_scores(others, config).stacked
        table = recall_table(known, sheets, config, stacked, others)
        defective = left_out[left_out["has_defect"]]
        for target in RECALLS if table and stacked else ():
            if step := table.step_for(target):
                used = stacked.model_copy(update={"threshold": step.joint_threshold})
                cleared = defective["gate"] < step.lower_threshold
                cleared |= used.clears(defective["gate"], defective["presence"])
                rows.append((target, step.recall_bound, int(cleared.sum()), len(defective)))
    return pd.DataFrame(rows, columns=["target", "bound", "missed", "defective"])


def report_recalls(rows: pd.DataFrame) -> None:
    """Print, for each recall, what is stated and what the folds left out say."""
    for target, part in rows.groupby("target"):
        missed, defective = part["missed"].sum(), part["defective"].sum()
        print(
            f"  recall {target:g}: stated at least {part['bound'].min():.3f} to "
            f"{part['bound'].max():.3f}; in {len(part)} folds left out "
            f"{1 - missed / defective:.3f}, {missed} of {defective} missed"
        )


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", default="cpu")
    parser.add_argument("--architecture", default="unet_mobilenet_v2")
    parser.add_argument("--target-recall", type=float, default=0.9)
    parser.add_argument("--recalls", action="store_true")
    given = parser.parse_args()
    bootstrap_project(ROOT)
    with KedroSession.create(ROOT, env=given.env) as session:
        context = session.load_context()
        load = context.catalog.load
        sheets, annotations = load("sheets"), load("annotations")
        gate = load("gate_selection")["name"]
        scores = load(f"{gate}.sheet_scores")
        predictions = load(f"{given.architecture}.predictions")
        values = context.params["operating_point"]
    config = OperatingPointConfig.model_validate(
        dict(values) | {"target_recall": given.target_recall}
    )
    point = operating_point_of(scores, config, sheets)
    gated = scores.assign(cleared=point.clears(scores["score"]))
    predictions = predictions[predictions["repeat"].notna()]
    evidence = join_gate_scores(
        predictions, gated[["sheet_id", "repeat", "score", "cleared"]], sheets
    )
    if evidence.empty:
        raise SteelDefectsError(f"{gate} and {given.architecture} were not both cross-validated")
    print(
        f"out of fold, {evidence['sheet_id'].nunique()} sheets, target recall {given.target_recall}"
    )
    passed = report(evidence, config)
    cleared = {
        int(repeat): set(part["sheet_id"]) for repeat, part in evidence[passed].groupby("repeat")
    }
    row = out_of_fold_row(predictions, annotations, sheets, cleared)
    print("  " + ", ".join(f"{name} {row[name]:.3f}" for name in FIGURES))
    if given.recalls:
        report_recalls(recalls_in_folds(scores, evidence, sheets, config))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SteelDefectsError as error:
        sys.exit(f"Error: {error}")
