"""How well the gate's probabilities come true on thousands of sheets that it has not seen.

    python benchmarks/calibration.py [--sheets 480] [--test 2000] [--seed 7] [--backbone NAME]

Trains a gate as the demo does, on as many drawn sheets and with the same shares for training and
validation; calibrates it on the validation sheets; and scores further drawn sheets before and after
calibration: expected calibration error (15 bins of equal mass), Brier score, log loss, and the
bins. Beside the error stands what perfect probabilities, of the same scores, would leave by chance.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from sklearn import metrics

from steel_defects.data.config import SampleDataConfig
from steel_defects.data.splits import assign_groups
from steel_defects.data.synthetic import draw_samples
from steel_defects.decision.calibration import fit_calibration
from steel_defects.evaluation.gate import (
    EVEN_ODDS,
    expected_calibration_error,
    reliability_table,
)
from steel_defects.images.folder import SheetFolder

ROOT = Path(__file__).parents[1]
LIMIT = 0.03
DRAWS = 500
FEWEST = 1600  # sheets on which an error over the limit can hardly be chance


def demo_parameters() -> dict:
    """Return the parameters of the demo, as the nodes get them."""
    bootstrap_project(ROOT)
    with KedroSession.create(ROOT, env="demo") as session:
        return session.load_context().params


def draw_sheets(root: Path, config: SampleDataConfig, count: int) -> tuple[pd.DataFrame, dict]:
    """Draw sheets into a folder; returns their table and masks."""
    folder = root / "train_images"
    folder.mkdir()
    rows, masks = [], {}
    for sheet in draw_samples(config, 0, count):
        (folder / sheet.name).write_bytes(sheet.jpeg)
        rows.append((sheet.name, f"train_images/{sheet.name}", bool(sheet.masks)))
        masks[sheet.name] = sheet.masks
    sheets = pd.DataFrame(rows, columns=["sheet_id", "path", "has_defect"])
    return sheets.assign(height=config.height, width=config.width, sha256=""), masks


def divide(sheets: pd.DataFrame, parameters: dict) -> tuple[list[str], list[str]]:
    """Divide sheets as the demo does; returns those to train on and those to calibrate by."""
    config = parameters["data_engineering"]
    ids = sheets["sheet_id"].tolist()
    strata = sheets["has_defect"].astype(str).tolist()
    parts = assign_groups(ids, strata, config.shares, config.seed)
    chosen = pd.Series(parts, index=ids)
    return [chosen.index[chosen == part].tolist() for part in ("train", "validation")]


def outputs_of(
    folder: Path, sheets: pd.DataFrame, masks: dict, known: int, parameters: dict, backbone: str
) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Train on the first ``known`` sheets; returns the outputs on all, and how these are divided.

    Keras is imported here, so that the command line answers at once.
    """
    from steel_defects.prediction.sheet_scores import predict_scores
    from steel_defects.training.classification import fit_classifier
    from steel_defects.training.jobs import ClassifierRecipe
    from steel_defects.training.labelled_sheets import LabelledSheets

    data = LabelledSheets(SheetFolder(folder), sheets, masks)
    training, validation = divide(sheets.head(known), parameters)
    changes = parameters[backbone]["training"]
    recipe = ClassifierRecipe.of(parameters["classification"], changes, None)
    parts = (data.subset(ids) for ids in (training, validation))
    model = fit_classifier(*parts, recipe, folder / "checkpoints").model
    outputs = predict_scores(model, data.folder, sheets["path"].tolist())
    return sheets.assign(output=outputs), training, validation


def chance_error(scores: np.ndarray) -> float:
    """Return the mean calibration error of perfect probabilities, by drawing labels from them."""
    rng = np.random.default_rng(0)
    draws = (rng.uniform(size=len(scores)) < scores for _ in range(DRAWS))
    return float(np.mean([expected_calibration_error(labels, scores) for labels in draws]))


def report(labels: np.ndarray, before: np.ndarray, after: np.ndarray) -> float:
    """Print the figures; returns the calibration error after calibration."""
    rows = {}
    for name, scores in (("before", before), ("after", after)):
        error = expected_calibration_error(labels, scores)
        rows[name] = {
            "ece": error,
            "ece by chance": chance_error(scores),
            "brier": metrics.brier_score_loss(labels, scores),
            "log_loss": metrics.log_loss(labels, scores),
            "accuracy": metrics.accuracy_score(labels, scores >= EVEN_ODDS),
            "roc_auc": metrics.roc_auc_score(labels, scores),
        }
    print(pd.DataFrame(rows).T.to_string(float_format="%.4f"))
    for name, scores in (("before", before), ("after", after)):
        print(f"\nbins {name} calibration")
        print(reliability_table(labels, scores).to_string(float_format="%.3f", index=False))
    return float(rows["after"]["ece"])


def main() -> None:
    """Read the command line and measure."""
    parameters = demo_parameters()
    config = parameters["sample_data"]
    parser = argparse.ArgumentParser(description="How well the gate's probabilities come true.")
    parser.add_argument("--sheets", type=int, default=config.sheets, help="as in the demo")
    parser.add_argument("--test", type=int, default=2000, help="further sheets, to score")
    parser.add_argument("--seed", type=int, default=config.seed, help="of the drawn sheets")
    parser.add_argument("--backbone", default="mobilenet_v2")
    options = parser.parse_args()
    config = config.model_copy(update={"seed": options.seed})
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        sheets, masks = draw_sheets(folder, config, options.sheets + options.test)
        table, training, validation = outputs_of(
            folder, sheets, masks, options.sheets, parameters, options.backbone
        )
    labels, outputs = (table.set_index("sheet_id")[name] for name in ("has_defect", "output"))
    calibration = fit_calibration(
        labels[validation].to_numpy(bool), outputs[validation].to_numpy(float),
        labels[training].to_numpy(bool),
    )  # fmt: skip
    print(f"{len(training)} sheets trained on, {len(validation)} calibrated by: {calibration!r}")
    unseen = table.iloc[options.sheets :]
    before = unseen["output"].to_numpy(float)
    error = report(unseen["has_defect"].to_numpy(bool), before, calibration.apply(before))
    print(f"\n{len(unseen)} sheets, calibration error {error:.4f} (at most {LIMIT})")
    if len(unseen) >= FEWEST and error > LIMIT:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
