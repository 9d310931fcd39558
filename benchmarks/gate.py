"""How well gates tell sheets apart out of fold, and by how much they beat a linear probe.

    python benchmarks/gate.py --raw-dir PATH --weights-dir PATH [--env cpu] [--backbone NAME]

Reads what `kedro run --env=cpu --pipelines=data_engineering,classification` left in the catalog.
Prints the out-of-fold figures of each cross-validated backbone, pooled over the folds of a repeat
and averaged over the repeats, with 95 % intervals over groups of sheets; what calibration changed;
and the difference to a linear probe on the same folds (a paired bootstrap): logistic regression on
the pooled features of the same backbone with the same weights, none of which learns. The probe's
strength of regularisation is chosen by cross-validation inside each fold.
"""

import argparse
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from steel_defects.data.segmenter_only import divided
from steel_defects.decision.score_tables import out_of_fold
from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.resampling import compare_out_of_fold
from steel_defects.images.folder import SheetFolder
from steel_defects.models.backbones import build_backbone
from steel_defects.prediction.sheet_scores import predict_sheets

ROOT = Path(__file__).parents[1]
INNER_FOLDS = 4
FIGURES = ("accuracy", "balanced_accuracy", "roc_auc", "pr_auc")


def pooled_features(
    folder: SheetFolder, paths: list[str], training: object, size: tuple[int, int], weights: str
) -> NDArray[np.float64]:
    """Return mean and maximum of a frozen backbone's last feature maps, a row a sheet."""
    trunk = build_backbone(training.backbone.model_copy(update={"stride": 32}), size, 0, weights)
    maps = trunk.output
    pooled = keras.layers.Concatenate()(
        [keras.layers.GlobalAveragePooling2D()(maps), keras.layers.GlobalMaxPooling2D()(maps)]
    )
    return predict_sheets(keras.Model(trunk.input, pooled), folder, paths)


def probe(features: NDArray[np.float64], folds: pd.DataFrame) -> pd.DataFrame:
    """Score each sheet by a logistic regression on the features of the other folds.

    Args:
        features: One row a sheet.
        folds: ``sheet_id, group_id, has_defect, repeat, fold``; ``row`` numbers the features.

    Returns:
        ``folds`` with ``score`` and ``threshold``.
    """
    parts = []
    for (_, fold), kept in folds.groupby(["repeat", "fold"]):
        rest = folds[(folds["repeat"] == kept["repeat"].iloc[0]) & (folds["fold"] != fold)]
        inner = GroupKFold(INNER_FOLDS).split(rest, groups=rest["group_id"])
        model = make_pipeline(
            StandardScaler(),
            LogisticRegressionCV(
                Cs=np.logspace(-5, 1, 7), cv=list(inner), scoring="neg_log_loss",
                class_weight="balanced", max_iter=2000, l1_ratios=(0.0,),
                use_legacy_attributes=False,
            ),
        )  # fmt: skip
        model.fit(features[rest["row"]], rest["has_defect"])
        scores = model.predict_proba(features[kept["row"]])[:, 1]
        parts.append(kept.assign(score=scores, threshold=0.5))
    return pd.concat(parts, ignore_index=True)


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", default="cpu")
    parser.add_argument("--raw-dir", type=Path, required=True)
    parser.add_argument("--weights-dir", type=Path, required=True)
    parser.add_argument("--backbone", default="mobilenet_v2")
    given = parser.parse_args()
    bootstrap_project(ROOT)
    runtime = {"raw_dir": str(given.raw_dir), "weights_dir": str(given.weights_dir)}
    with KedroSession.create(ROOT, env=given.env, runtime_params=runtime) as session:
        context = session.load_context()
        load = context.catalog.load
        splits, folder = load("splits"), load("raw_sheets")
        sheets = divided(load("sheets"), splits)
        comparison = load("classification_comparison")
        scores = out_of_fold(load(f"{given.backbone}.sheet_scores"))
        calibration = load(f"{given.backbone}.calibration")
        shared, own = (
            context.params["classification"], context.params[given.backbone]["training"]
        )  # fmt: skip
    if scores.empty:
        raise SteelDefectsError(f"{given.backbone} was not cross-validated; see cross_validation")
    rows = comparison[comparison["evaluation"] == "out_of_fold"]
    print(
        f"out of fold, {int(rows['sheets'].iloc[0])} sheets, {scores['repeat'].nunique()} repeats"
    )
    for row in rows.to_dict("records"):
        cells = [
            f"{n} {row[n]:.3f} ({row[n + '_low']:.3f}-{row[n + '_high']:.3f})" for n in FIGURES
        ]
        print(f"  {row['backbone']} from {row['weights']}: " + ", ".join(cells))
    print("calibration:", calibration.get("out_of_fold", calibration))

    size = tuple((own.input_size if hasattr(own, "input_size") else None) or shared.input_size)
    features = pooled_features(folder, sheets["path"].tolist(), own, size, str(given.weights_dir))
    numbered = sheets[["sheet_id"]].assign(row=range(len(sheets)))
    keys = ["sheet_id", "repeat", "fold", "has_defect"]
    plan = scores[keys].merge(numbered).merge(splits[["sheet_id", "group_id"]])
    found = compare_out_of_fold(scores, probe(features, plan), splits)
    print(f"{given.backbone} less a linear probe on its frozen features, {size[0]}x{size[1]}:")
    print(found.round(4).to_string(index=False))
    return int((found["difference"] <= 0).any())


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SteelDefectsError as error:
        sys.exit(f"Error: {error}")
