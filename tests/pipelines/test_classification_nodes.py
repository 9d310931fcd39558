from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from keras.applications import MobileNetV2
from pydantic import ValidationError
from tests.pipelines.conftest import PLAN, Data

from steel_defects.annotations import schemas
from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.operating_point import OperatingPointConfig
from steel_defects.models.config import BackboneConfig, HeadConfig
from steel_defects.pipelines.classification import nodes
from steel_defects.training import cross_validation
from steel_defects.training.classification import FittedClassifier
from steel_defects.training.config import BackboneTraining, ClassificationConfig
from steel_defects.training.labelled_sheets import labelled_sheets

TRAINING = ClassificationConfig(
    seed=1,
    epochs=1,
    batch_size=4,
    learning_rate=0.001,
    patience=1,
    precision="float32",
    eager=True,
    input_size=(32, 64),
    head=HeadConfig(units=(4,), dropout=0.1),
    mask_loss_weight=1.0,
)
OWN = BackboneTraining(backbone=BackboneConfig(name="mobilenet_v2", weights="none", alpha=0.35))


def outputs() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sheet_id": list("abcdefgh"),
            "split": ["validation"] * 4 + ["calibration"] * 2 + ["test"] * 2,
            "has_defect": [True, False] * 4,
            # Too sure of itself: one of four validation sheets is wrong at 0.99.
            "output": [0.99, 0.01, 0.99, 0.99, 0.9, 0.2, 0.8, 0.1],
        }
    )


def out_of_fold() -> pd.DataFrame:
    table = pd.DataFrame({"sheet_id": ["a", "b"], "repeat": 0, "fold": [0, 1], "score": [0.7, 0.2]})
    return table.astype({"repeat": "Int64", "fold": "Int64"})


def calibrated(out: pd.DataFrame | None = None) -> tuple[pd.DataFrame, dict[str, float]]:
    facts = outputs()
    held_out = out_of_fold().iloc[:0] if out is None else out
    return nodes.calibrate(outputs(), held_out, facts, facts)


SHEETS = pd.DataFrame({"has_defect": [True, False]})

# === Training ===


@pytest.fixture(scope="module")
def trained(data: Data, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("checkpoints")
    return nodes.train_classifier(
        data.folder, data.sheets, data.annotations, data.splits, Path("."), folder, TRAINING, OWN
    ), folder


def test_training_and_its_profile(trained):
    (model, history, profile), checkpoints = trained
    schemas.history.validate(history)
    assert model.output_shape == (None, 1)
    assert profile["weights"] == "none"
    assert (profile["input_height"], profile["input_width"]) == (32, 64)
    assert profile["parameters"] == model.count_params()
    assert list(checkpoints.rglob("*.npz")) == []


def test_the_cache_trains_the_same_weights(trained, data: Data, tmp_path):
    cached = TRAINING.model_copy(update={"cache": True})
    model, _, _ = nodes.train_classifier(
        data.folder, data.sheets, data.annotations, data.splits, Path("."),
        tmp_path / "checkpoints", cached, OWN,
    )  # fmt: skip
    assert (tmp_path / "gray_sheets" / "gray_sheets.bin").is_file()
    for one, other in zip(trained[0][0].get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_scores_of_every_sheet(trained, data: Data):
    (model, _, _), _ = trained
    table, speed = nodes.score_sheets(model, data.folder, data.sheets, data.splits)
    schemas.classifier_outputs.validate(table)
    assert set(table["sheet_id"]) == set(data.sheets["sheet_id"])
    assert speed["ms_per_sheet"] > 0


def test_a_split_of_one_kind_is_told(data: Data, tmp_path):
    train = data.splits.loc[data.splits["split"] == "train", "sheet_id"]
    sheets = data.sheets.assign(has_defect=data.sheets["sheet_id"].isin(train))
    with pytest.raises(SteelDefectsError, match="train split lacks clean or defective sheets"):
        nodes.train_classifier(
            data.folder, sheets, data.annotations, data.splits, tmp_path, tmp_path, TRAINING, OWN
        )


@pytest.mark.parametrize(("kind", "reason"), [(True, "every sheet"), (False, "no sheet")])
def test_sheets_of_one_kind_leave_empty_tables_and_no_gate(
    data: Data, tmp_path, kind, reason, caplog
):
    sheets = data.sheets.assign(has_defect=kind)
    model, history, profile = nodes.train_classifier(
        data.folder, sheets, data.annotations, data.splits, tmp_path, tmp_path, TRAINING, OWN
    )
    assert model.reason.startswith(reason)
    schemas.history.validate(history)
    table, speed = nodes.score_sheets(model, data.folder, sheets, data.splits)
    assert schemas.classifier_outputs.validate(table).empty
    out = nodes.cross_validate(
        data.folder, sheets, data.annotations, data.splits, tmp_path, tmp_path, TRAINING, OWN, PLAN
    )
    assert schemas.out_of_fold_scores.validate(out).empty
    scores, calibration = nodes.calibrate(table, out, sheets, data.splits)
    assert schemas.sheet_scores.validate(scores).empty
    targets = OperatingPointConfig(target_recall=0.9, target_false_positive_rate=0.1)
    point = nodes.choose_operating_point(scores, calibration, targets)
    assert (point["defective_sheets"], point["clean_sheets"], point["proven"]) == (0, 0, False)
    tables = {"vgg16_scores": scores, "vgg16_profile": profile, "vgg16_speed": speed}
    assert schemas.classification_comparison.validate(nodes.compare_classifiers(**tables)).empty
    caplog.clear()
    selection = nodes.select_gate("best", sheets, vgg16_scores=scores, vgg16_profile=profile)
    assert selection["name"] is None
    assert selection["reason"] == model.reason
    assert len(caplog.messages) == 1


def test_something_must_learn():
    values = TRAINING.model_dump() | {"frozen_epochs": 0, "fine_tuning_rate": 0.0}
    with pytest.raises(ValidationError, match="nothing would learn"):
        ClassificationConfig(**values)


def test_a_rate_of_0_leaves_a_pretrained_backbone_as_it_is(data: Data, tmp_path):
    weights = MobileNetV2(
        input_shape=(32, 64, 3), alpha=0.35, include_top=False, weights=None
    )  # fmt: skip
    weights.save_weights(tmp_path / "own.weights.h5")
    own = BackboneTraining(backbone=OWN.backbone.model_copy(update={"weights": "own.weights.h5"}))
    frozen = TRAINING.model_copy(update={"frozen_epochs": 2, "fine_tuning_rate": 0.0})
    model, history, _ = nodes.train_classifier(
        data.folder, data.sheets, data.annotations, data.splits, tmp_path, tmp_path, frozen, own
    )
    assert len(history) == 2
    trunk = model.get_layer("mobilenet_v2_trunk").get_weights()
    for before, after in zip(weights.get_weights(), trunk, strict=True):
        np.testing.assert_array_equal(before, after)


def test_vgg16_learns_from_scratch_without_batch_norm(data: Data, tmp_path):
    # A rate at which the few steps of the test do not blow up.
    own = BackboneTraining(
        backbone=BackboneConfig(name="vgg16", weights="none"), learning_rate=0.0001
    )
    model, _, _ = nodes.train_classifier(
        data.folder, data.sheets, data.annotations, data.splits, tmp_path, tmp_path, TRAINING, own
    )
    scores, _ = nodes.score_sheets(model, data.folder, data.sheets, data.splits)
    # A plain network's usual start gives every sheet nearly the same answer: 0.03.
    assert scores["output"].std() > 0.1


# === Cross-validation ===


class Oracle:
    """Stands in for a trained network: it gives every sheet an even chance."""

    input_shape, output_shape = (None, 32, 64, 1), (None, 1)

    def predict_on_batch(self, pictures: np.ndarray) -> np.ndarray:
        return np.full((len(pictures), 1), 0.5)


@pytest.fixture
def trainings(monkeypatch) -> list[tuple[set[str], set[str]]]:
    """The sheets that each training was given, to learn from and to stop by."""
    seen: list[tuple[set[str], set[str]]] = []

    def train(data, training_ids, validation_ids, *args, **kwargs) -> FittedClassifier:
        seen.append((set(training_ids), set(validation_ids)))
        return FittedClassifier(Oracle(), pd.DataFrame(), 0.0)

    monkeypatch.setattr(cross_validation, "train_classifier", train)
    return seen


def test_no_sheet_is_scored_by_a_network_that_saw_it(data: Data, trainings, tmp_path):
    table = nodes.cross_validate(
        data.folder, data.sheets, data.annotations, data.splits, tmp_path, tmp_path, TRAINING, OWN,
        PLAN,
    )  # fmt: skip
    schemas.out_of_fold_scores.validate(table)
    assert len(table) == 2 * len(data.sheets)
    assert len(trainings) == PLAN.folds * PLAN.repeats
    rounds = table.groupby(["repeat", "fold"])["sheet_id"].apply(set)
    group = data.sheets.set_index("sheet_id")["group_id"]
    for scored, (training, validation) in zip(rounds, trainings, strict=True):
        assert scored | training | validation == set(data.sheets["sheet_id"])
        assert scored.isdisjoint(training | validation)
        assert training.isdisjoint(validation)
        assert set(group[list(training)]).isdisjoint(group[list(validation)])


def test_only_the_named_models_are_cross_validated(data: Data, trainings, tmp_path):
    plan = PLAN.model_copy(update={"models": ("vgg16",)})
    table = nodes.cross_validate(
        data.folder, data.sheets, data.annotations, data.splits, tmp_path, tmp_path, TRAINING, OWN,
        plan,
    )  # fmt: skip
    schemas.out_of_fold_scores.validate(table)
    assert table.empty
    assert trainings == []


@pytest.mark.parametrize("change", [{"repeats": 3}, {"folds": 5}])
def test_folds_of_another_plan_are_refused(data: Data, trainings, tmp_path, change):
    plan = PLAN.model_copy(update=change)
    with pytest.raises(SteelDefectsError, match="run the pipeline data_engineering again"):
        cross_validation.out_of_fold_scores(
            labelled_sheets(data.folder, data.sheets, data.annotations), data.splits, TRAINING, OWN,
            plan, None, tmp_path,
        )  # fmt: skip
    assert trainings == []


# === Scores and thresholds ===


def test_calibration_softens_what_was_too_sure():
    table, calibration = calibrated()
    assert calibration["temperature"] > 1
    scores = table.set_index("sheet_id")["score"]
    assert 0.5 < scores["a"] < 0.99
    assert scores.rank().tolist() == outputs()["output"].rank().tolist()
    schemas.sheet_scores.validate(table)


def test_out_of_fold_rows_stand_below_the_hold_out():
    table, _ = calibrated(out_of_fold())
    schemas.sheet_scores.validate(table)
    rows = table[table["repeat"].notna()]
    # Calibrated in their fold: the hold-out's temperature does not touch them.
    assert rows["score"].tolist() == [0.7, 0.2]
    assert rows["split"].tolist() == ["validation", "validation"]


def test_the_operating_point_looks_at_calibration_alone():
    table, calibration = calibrated()
    targets = OperatingPointConfig(target_recall=0.9, target_false_positive_rate=0.1)
    point = nodes.choose_operating_point(table, calibration, targets)
    scores = table.set_index("sheet_id")["score"]
    assert point["lower_threshold"] == scores["e"]
    assert (point["defective_sheets"], point["clean_sheets"]) == (1, 1)
    assert point["temperature"] == calibration["temperature"]
    assert not point["proven"]


# === Comparison ===


def candidates() -> dict[str, object]:
    good, _ = calibrated(out_of_fold())
    bad = good.assign(score=np.where(good["has_defect"], 0.3, 0.6))
    profile = {
        "weights": "none", "input_height": 32, "input_width": 64, "epochs": 1,
        "training_seconds": 2.0,
    }  # fmt: skip
    return {
        "vgg16_scores": bad, "vgg16_profile": profile | {"parameters": 9},
        "resnet50_scores": good, "resnet50_profile": profile | {"parameters": 7},
        "mobilenet_v2_scores": good, "mobilenet_v2_profile": profile | {"parameters": 5},
    }  # fmt: skip


def test_comparison_stands_on_test_sheets():
    speeds = {f"{name}_speed": {"ms_per_sheet": 3.0} for name in ("vgg16", "resnet50")}
    tables = {k: v for k, v in candidates().items() if not k.startswith("mobilenet")}
    table = nodes.compare_classifiers(**tables, **speeds)
    schemas.classification_comparison.validate(table)
    rows = table.set_index("backbone")
    assert rows["sheets"].tolist() == [2, 2]
    assert rows["accuracy"].to_dict() == {"resnet50": 1.0, "vgg16": 0.0}
    assert rows["out_of_fold_sheets"].tolist() == [2, 2]
    assert rows.loc["resnet50", "out_of_fold_roc_auc"] == 1.0


def test_the_gate_is_the_best_on_validation_and_the_smaller_of_equals():
    chosen = nodes.select_gate("best", SHEETS, **candidates())
    assert chosen["name"] == "mobilenet_v2"
    assert "validation" in chosen["reason"]
    assert set(chosen["candidates"]) == {"vgg16", "resnet50", "mobilenet_v2"}
    assert nodes.select_gate("vgg16", SHEETS, **candidates())["name"] == "vgg16"
    assert nodes.select_gate("none", SHEETS, **candidates())["name"] is None
    with pytest.raises(SteelDefectsError, match="it takes best, none, vgg16"):
        nodes.select_gate("vgg61", SHEETS, **candidates())
