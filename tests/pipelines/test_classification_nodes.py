import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from keras.applications import MobileNetV2
from pydantic import ValidationError
from tests.support.data import PLAN, Data
from tests.support.trained import Models, gate_profile, stand_in

from steel_defects import tables as schemas
from steel_defects.datasets.models import KerasModelDataset
from steel_defects.decision.intervals import share_interval
from steel_defects.decision.operating_point import OperatingPointConfig
from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.selection import validation_roc_auc
from steel_defects.models.config import BackboneConfig, HeadConfig
from steel_defects.models.files import needs_keras_alone, save_model
from steel_defects.models.trained import (
    ClassifierSpeed,
    MadeFrom,
    ModelSelection,
    TrainedModel,
    made_from,
)
from steel_defects.pipelines.classification import nodes
from steel_defects.training import cross_validation, folds
from steel_defects.training.config import BackboneTraining, ClassificationConfig
from steel_defects.training.jobs import Fitted

pytestmark = pytest.mark.slow

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


STAMP = {"models": {"gate": "vgg16 1a2b"}}


def outputs() -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "sheet_id": list("abcdefgh"),
            "split": ["validation"] * 4 + ["calibration"] * 2 + ["test"] * 2,
            "has_defect": [True, False] * 4,
            # Too sure of itself: one of four validation sheets is wrong at 0.99.
            "output": [0.99, 0.01, 0.99, 0.99, 0.9, 0.2, 0.8, 0.1],
        }
    )
    table.attrs = dict(STAMP)
    return table


def out_of_fold() -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "sheet_id": ["a", "b", "g"], "repeat": 0, "fold": [0, 1, 1],
            "output": [0.8, 0.1, 0.3], "score": [0.7, 0.2, 0.4], "threshold": [0.5, 0.6, 0.6],
        }
    )  # fmt: skip
    return table.astype({"repeat": "Int64", "fold": "Int64"})


def calibrated(out: pd.DataFrame | None = None) -> tuple[pd.DataFrame, dict[str, float]]:
    facts = outputs().assign(group_id=list("abcdefgh"))
    return nodes.calibrate(outputs(), facts, facts, out)


ALONE = pd.DataFrame({"sheet_id": list("abcdefgh"), "group_id": list("abcdefgh")})

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
    assert profile["parameters_with_top"] == 1_691_208  # of MobileNetV2 at alpha 0.35
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


def test_the_finished_classifier_may_look_at_fewer_orientations(data: Data, tmp_path):
    found = {}
    for asked in ("flips", "half_turn"):
        head = {**TRAINING.head.model_dump(), "orientations": "flips", "asked_orientations": asked}
        config = TRAINING.model_copy(update={"head": HeadConfig.model_validate(head)})
        found[asked], _, _ = nodes.train_classifier(
            data.folder, data.sheets, data.annotations, data.splits, Path("."), tmp_path / asked,
            config, OWN,
        )  # fmt: skip
    for one, other in zip(*(model.get_weights() for model in found.values()), strict=True):
        np.testing.assert_array_equal(one, other)
    pooled = {
        asked: keras.Model(model.input, model.get_layer("pooled").output)
        for asked, model in found.items()
    }
    # All four orientations are the half turn of the sheet and that of the mirrored sheet.
    sheets = np.random.default_rng(0).uniform(0, 255, (1, 32, 64, 1)).astype(np.float32)
    halves = [np.asarray(pooled["half_turn"](x)) for x in (sheets, sheets[:, :, ::-1])]
    assert not np.array_equal(*halves)
    np.testing.assert_allclose(pooled["flips"](sheets), np.mean(halves, axis=0), rtol=1e-4)


def test_scores_of_every_sheet(trained, data: Data):
    (model, _, _), _ = trained
    table, speed = nodes.score_sheets(model, data.folder, data.sheets, data.splits)
    schemas.classifier_outputs.validate(table)
    assert set(table["sheet_id"]) == set(data.sheets["sheet_id"])
    assert 0 < speed["ms_per_sheet_p50"] <= speed["ms_per_sheet_p90"]


def test_a_split_of_one_kind_is_told(data: Data, tmp_path):
    train = data.splits.loc[data.splits["split"] == "train", "sheet_id"]
    sheets = data.sheets.assign(has_defect=data.sheets["sheet_id"].isin(train))
    with pytest.raises(SteelDefectsError, match="train split lacks clean or defective sheets"):
        nodes.train_classifier(
            data.folder, sheets, data.annotations, data.splits, tmp_path, tmp_path, TRAINING, OWN
        )


@pytest.mark.parametrize(("kind", "reason"), [(True, "every sheet has"), (False, "no sheet has")])
def test_sheets_of_one_kind_leave_a_gate_nothing_to_learn(data: Data, tmp_path, kind, reason):
    sheets = data.sheets.assign(has_defect=kind)
    with pytest.raises(SteelDefectsError, match=f"^{reason} a defect.* --params backbones=$"):
        nodes.train_classifier(
            data.folder, sheets, data.annotations, data.splits, tmp_path, tmp_path, TRAINING, OWN
        )


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
    # The optimizer, which another process may not know, stays behind: save_model would say so.
    save_model(model, tmp_path / "gate.keras")
    assert needs_keras_alone(tmp_path / "gate.keras")


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


# === What goes wrong in the arithmetic ===


def train(data: Data, folder: Path, own: BackboneTraining = OWN, **changes: object):
    config = TRAINING.model_copy(update=changes)
    return nodes.train_classifier(
        data.folder, data.sheets, data.annotations, data.splits, Path("."), folder, config, own
    )


def test_float16_scales_the_loss(data: Data, tmp_path):
    """Without a scale the gradients of the first sheet are infinite, and the second loss is NaN."""
    _, history, _ = train(data, tmp_path, precision="mixed_float16", batch_size=1)
    assert np.isfinite(history[["loss", "validation_loss"]]).all(axis=None)


def test_scores_that_are_no_numbers_stop_the_training(data: Data, tmp_path, monkeypatch):
    from steel_defects.training import classification

    def scores(model: keras.Model, folder: object, paths: list[str]) -> np.ndarray:
        return np.full(len(paths), np.nan)

    monkeypatch.setattr(classification, "predict_scores", scores)
    stopped = "mobilenet_v2: the validation loss after epoch 1 is not a number; take a lower"
    with pytest.raises(SteelDefectsError, match=stopped):
        train(data, tmp_path)
    assert list(tmp_path.rglob("*.npz")) == []


SCORED_ELSEWHERE = """
import sys
from pathlib import Path
import pandas as pd
from steel_defects.models.files import load_model
from steel_defects.images.folder import SheetFolder
from steel_defects.prediction.sheet_scores import predict_scores
model, sheets, root = sys.argv[1:]
paths = pd.read_parquet(sheets)["path"].tolist()
for score in predict_scores(load_model(Path(model)), SheetFolder(Path(root)), paths):
    print("score", repr(float(score)))
"""


def test_bfloat16_scores_are_those_of_a_process_that_only_loads_the_gate(data: Data, tmp_path):
    own = BackboneTraining(
        backbone=BackboneConfig(name="vgg16", weights="none"), learning_rate=0.0001
    )
    model, _, profile = train(data, tmp_path, own, precision="mixed_bfloat16", deterministic=True)
    dataset = KerasModelDataset(filepath=str(tmp_path / "gate.keras"))
    dataset.save(model)
    scores, _ = nodes.score_sheets(dataset.load(), data.folder, data.sheets, data.splits)
    assert scores.attrs == {"models": profile["models"]}
    data.sheets.to_parquet(tmp_path / "sheets.parquet")
    done = subprocess.run(
        [sys.executable, "-c", SCORED_ELSEWHERE, str(tmp_path / "gate.keras"),
         str(tmp_path / "sheets.parquet"), str(data.folder.root)],
        capture_output=True, text=True, check=True, timeout=600,
    )  # fmt: skip
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("score")]
    elsewhere = dict(
        zip(data.sheets["sheet_id"], (float(value) for _, value in lines), strict=True)
    )
    np.testing.assert_allclose(scores["output"], scores["sheet_id"].map(elsewhere), atol=1e-6)


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

    def train(training, validation, *args) -> Fitted:
        seen.append((set(training.sheets["sheet_id"]), set(validation.sheets["sheet_id"])))
        return Fitted(Oracle(), pd.DataFrame(), 0.0)

    monkeypatch.setattr(cross_validation, "fit_classifier", train)
    monkeypatch.setattr(folds, "save_model", lambda model, path: None)
    monkeypatch.setattr(cross_validation, "load_model", lambda path: Oracle())
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


@pytest.mark.parametrize("change", [{"repeats": 3}, {"folds": 5}])
def test_folds_of_another_plan_are_refused(data: Data, trainings, tmp_path, change):
    plan = PLAN.model_copy(update=change)
    with pytest.raises(SteelDefectsError, match="run the pipeline data_engineering again"):
        nodes.cross_validate(
            data.folder, data.sheets, data.annotations, data.splits, tmp_path, tmp_path, TRAINING,
            OWN, plan,
        )  # fmt: skip
    assert trainings == []


# === Scores and thresholds ===


def test_calibration_softens_what_was_too_sure():
    table, calibration = calibrated()
    assert calibration["temperature"] > 1
    assert (calibration["fitted_on"], calibration["sheets"]) == ("validation", 4)
    scores = table.set_index("sheet_id")["score"]
    assert 0.5 < scores["a"] < 0.99
    assert scores.rank().tolist() == outputs()["output"].rank().tolist()
    schemas.sheet_scores.validate(table)


def test_out_of_fold_rows_stand_below_the_hold_out():
    table, _ = calibrated(out_of_fold())
    schemas.sheet_scores.validate(table)
    rows = table[table["repeat"].notna()]
    # Calibrated in their fold: what the hold-out is calibrated by does not touch them.
    assert rows["score"].tolist() == [0.7, 0.2, 0.4]
    assert rows["threshold"].tolist() == [0.5, 0.6, 0.6]
    assert rows["split"].tolist() == ["validation", "validation", "test"]


def many(sheets: int, validation: int, repeats: int) -> tuple[pd.DataFrame, ...]:
    """Outputs that are too sure of themselves, of a hold-out model and of a cross-validation."""
    rng = np.random.default_rng(1)
    defective = np.arange(sheets) % 2 == 0
    ids = [f"{n:03}" for n in range(sheets)]
    split = np.where(np.arange(sheets) < validation, "validation", "train").astype(object)
    split[-10:] = ["calibration"] * 5 + ["test"] * 5
    facts = pd.DataFrame(
        {"sheet_id": ids, "split": split, "has_defect": defective, "group_id": ids}
    )

    def draw() -> np.ndarray:
        return 1 / (1 + np.exp(-3 * (rng.normal(0, 1, sheets) + defective - 0.5)))

    crossed = [
        pd.DataFrame({"sheet_id": ids, "repeat": r, "fold": 0, "output": draw()})
        for r in range(repeats)
    ]
    below = pd.concat(crossed).assign(threshold=0.5).astype({"repeat": "Int64", "fold": "Int64"})
    below["score"] = below["output"]
    return facts[["sheet_id", "split", "has_defect"]].assign(output=draw()), below, facts


def test_few_validation_sheets_leave_calibration_to_out_of_fold_outputs():
    held_out, below, facts = many(sheets=100, validation=12, repeats=2)
    table, calibration = nodes.calibrate(held_out, facts, facts, below)
    assert (calibration["fitted_on"], calibration["sheets"]) == ("out_of_fold", 90)
    assert calibration["temperature"] == pytest.approx(3, abs=1)
    # Neither labels nor outputs of test sheets play a part.
    test = below["sheet_id"].isin(facts.loc[facts["split"] == "test", "sheet_id"])
    other = below.assign(output=below["output"].mask(test, 0.5))
    _, again = nodes.calibrate(held_out, facts, facts, other)
    assert again["temperature"] == calibration["temperature"]
    held_out, below, facts = many(sheets=100, validation=60, repeats=2)
    assert nodes.calibrate(held_out, facts, facts, below)[1]["fitted_on"] == "validation"
    schemas.sheet_scores.validate(table)


def test_what_calibration_did_is_recorded_with_an_interval():
    held_out, below, facts = many(sheets=100, validation=60, repeats=2)
    below["score"] = 1 / (1 + (1 / below["output"] - 1) ** (1 / 3))
    _, calibration = nodes.calibrate(held_out, facts, facts, below)
    effect = calibration["out_of_fold"]
    assert effect["sheets"] == 100
    for name in ("brier", "log_loss"):
        assert effect[name]["after"] < effect[name]["before"]
        assert effect[name]["low"] < effect[name]["difference"] < effect[name]["high"]
    assert calibration["test"]["sheets"] == 5


# === The operating point ===


def targets(**changes) -> OperatingPointConfig:
    values = {"target_recall": 0.9, "target_false_positive_rate": 0.1} | changes
    return OperatingPointConfig(**values)


def test_the_operating_point_looks_at_calibration_alone():
    table, calibration = calibrated()
    point = nodes.choose_operating_point(table, calibration, ALONE, targets())
    scores = table.set_index("sheet_id")["score"]
    assert point["lower_threshold"] == scores["e"]
    assert (point["defective_sheets"], point["clean_sheets"]) == (1, 1)
    assert point["temperature"] == calibration["temperature"]
    assert point["bias"] == calibration["bias"]
    assert {"models": point["models"]} == STAMP
    assert not point["proven"]
    assert "calibration split" in point["evidence"]
    # Looked at on test once the thresholds stood.
    assert (point["test"]["defective_sheets"], point["test"]["clean_sheets"]) == (1, 1)
    changed = table.assign(score=table["score"].mask(table["split"] == "test", 0.99))
    again = nodes.choose_operating_point(changed, calibration, ALONE, targets())
    assert again.model_copy(update={"test": point.test}) == point
    assert again["test"] != point["test"]


def test_clean_sheets_that_tie_with_the_threshold_are_told(caplog):
    table, calibration = calibrated()
    tied = table.assign(score=table["score"].mask(table["split"] == "calibration", 0.5))
    point = nodes.choose_operating_point(tied, calibration, ALONE, targets())
    assert point["tied_clean_sheets"] == 1
    assert "1 of the clean sheets score exactly the lower threshold" in point["evidence"]
    assert "1 clean sheets score exactly the gate's lower threshold, 0.500000" in caplog.text


def test_look_alikes_are_one_piece_of_evidence_and_the_words_say_so():
    held_out, below, facts = many(sheets=100, validation=60, repeats=3)
    table, calibration = nodes.calibrate(held_out, facts, facts, below)
    alone = nodes.choose_operating_point(table, calibration, facts, targets())
    assert "look-alikes" not in alone["evidence"]
    pairs = facts.assign(group_id=facts["group_id"].where(facts.index % 4 > 1, "same"))
    alike = nodes.choose_operating_point(table, calibration, pairs, targets())
    assert "groups of look-alikes that count as one" in alike["evidence"]
    assert alike["defective_sheets"] == alone["defective_sheets"]
    assert alike["more_defective_sheets"] > alone["more_defective_sheets"]


def test_a_gate_that_clears_nothing_for_want_of_calibration_sheets_says_so(caplog):
    table, calibration = calibrated()
    nodes.choose_operating_point(table, calibration, ALONE, targets())
    assert not caplog.text
    without = table[table["split"] != "calibration"]
    point = nodes.choose_operating_point(without, calibration, ALONE, targets())
    assert point["lower_threshold"] == 0
    assert "give data_engineering.shares a part for calibration" in caplog.text


def test_too_few_calibration_sheets_leave_the_operating_point_to_the_cross_validation():
    held_out, below, facts = many(sheets=100, validation=60, repeats=3)
    table, calibration = nodes.calibrate(held_out, facts, facts, below)
    point = nodes.choose_operating_point(table, calibration, facts, targets())
    assert point["evidence_from"] == "out_of_fold"
    assert (point["defective_sheets"], point["clean_sheets"]) == (48, 47)  # all but those of test
    assert not point["proven"]
    for text in ("out-of-fold", "3 repeats", "has 3 of the 29 defective", "no proof"):
        assert text in point["evidence"], text
    asked = nodes.choose_operating_point(table, calibration, facts, targets(evidence="calibration"))
    assert (asked["evidence_from"], asked["defective_sheets"]) == ("calibration", 3)
    alone = table[table["repeat"].isna()]
    point = nodes.choose_operating_point(alone, calibration, facts, targets(evidence="out_of_fold"))
    assert point["evidence_from"] == "calibration"
    assert "no cross-validation" in point["evidence"]


# === Comparison ===


def candidates(*names: str) -> Models:
    good, _ = calibrated(out_of_fold())
    bad = good.assign(score=np.where(good["has_defect"], 0.3, 0.6))
    kinds = {"vgg16": (bad, 9), "resnet50": (good, 7), "mobilenet_v2": (good, 5)}
    return Models(
        *(
            gate(name, scores, SPLITS, parameters)
            for name, (scores, parameters) in kinds.items()
            if name in (names or kinds)
        )
    )


def gate(name: str, scores: pd.DataFrame, splits: pd.DataFrame, parameters: int):
    quality = validation_roc_auc(scores, splits)
    profile = gate_profile(name, parameters)
    speed = ClassifierSpeed(ms_per_sheet_p50=3.0, ms_per_sheet_p90=4.0)
    return stand_in(name, quality, of_data(splits), scores=scores, profile=profile, speed=speed)


def of_data(splits: pd.DataFrame) -> MadeFrom:
    return made_from(SHEETS, MASKS, splits, {"operating_point": targets()})


def select_gate(wanted: str, models: Models, splits: pd.DataFrame) -> ModelSelection:
    chosen, reference = nodes.select_gate(wanted, models, SHEETS, MASKS, splits, targets())
    assert reference == chosen.chosen
    return chosen


SHEETS = pd.DataFrame({"sheet_id": ["a"], "sha256": ["0" * 64]})
MASKS = pd.DataFrame({"sheet_id": ["a"], "class_id": [1], "rle": ["1 2"]})
SPLITS = outputs()[["sheet_id", "split"]].assign(group_id=list("abcdefgh"))
SHOWN = pd.DataFrame({"sheet_id": ["g", "a"], "class_id": [1, 3]})


def test_comparison_has_a_row_for_test_sheets_and_one_out_of_fold():
    models = candidates("vgg16", "resnet50")
    table = nodes.compare_classifiers(models.selection, models, SPLITS, SHOWN)
    schemas.classification_comparison.validate(table)
    rows = table.set_index(["backbone", "evaluation"])
    assert rows["sheets"].to_dict() == {
        ("resnet50", "test"): 2, ("resnet50", "out_of_fold"): 3,
        ("vgg16", "test"): 2, ("vgg16", "out_of_fold"): 3,
    }  # fmt: skip
    test = rows.loc[("resnet50", "test")]
    assert test["accuracy"] == 1.0
    assert (test["accuracy_low"], test["accuracy_high"]) == pytest.approx(share_interval(2, 2))
    assert rows.loc[("vgg16", "test"), "accuracy"] == 0.0
    crossed = rows.loc[("resnet50", "out_of_fold")]
    # Each row by the threshold of its fold: 0.7 and 0.2 are right, 0.4 is missed below 0.6.
    assert crossed["accuracy"] == pytest.approx(2 / 3)
    assert crossed["roc_auc"] == 1.0
    # Models of different folds are not independent: resampled, not binomial.
    assert (crossed["accuracy_low"], crossed["accuracy_high"]) == (0.0, 1.0)
    assert (test["recall_class_1"], crossed["recall_class_1"]) == (1.0, 0.0)
    assert np.isnan(test["recall_class_3"]) and crossed["recall_class_3"] == 1.0


def test_the_spread_between_repeats_is_given_where_there_are_any():
    held_out, below, facts = many(sheets=60, validation=20, repeats=3)
    table, _ = nodes.calibrate(held_out, facts, facts, below)
    models = Models(gate("vgg16", table, facts, parameters=9))
    comparison = nodes.compare_classifiers(models.selection, models, facts, SHOWN)
    rows = comparison.set_index("evaluation")
    crossed = table[table["repeat"].notna()]
    right = (crossed["score"] >= 0.5) == crossed["has_defect"]
    by_repeat = right.groupby(crossed["repeat"].astype(int)).mean()
    assert rows.loc["out_of_fold", "repeats"] == 3
    assert rows.loc["out_of_fold", "accuracy"] == pytest.approx(by_repeat.mean())
    assert rows.loc["out_of_fold", "accuracy_sd"] == pytest.approx(by_repeat.std())
    assert np.isnan(rows.loc["test", "accuracy_sd"])


def test_the_gate_is_the_best_on_validation_and_the_smaller_of_equals():
    chosen = select_gate("best", candidates(), SPLITS)
    assert chosen["name"] == "mobilenet_v2"
    assert "highest ROC-AUC on validation" in chosen["reason"]
    assert "as high as resnet50, and it has fewer parameters" in chosen["reason"]
    assert "within the uncertainty of 4 sheets" in chosen["reason"]
    assert set(chosen["candidates"]) == {"vgg16", "resnet50", "mobilenet_v2"}
    assert chosen["differences"]["vgg16"]["difference"] == pytest.approx(0.75)
    json.dumps(chosen.model_dump(mode="json"), allow_nan=False)
    assert select_gate("vgg16", candidates(), SPLITS).name == "vgg16"
    assert select_gate("none", candidates(), SPLITS).name is None


def test_gates_of_other_data_or_of_an_earlier_release_are_listed_and_not_compared():
    models = candidates()._models
    others = SPLITS.assign(split=SPLITS["split"].to_numpy()[::-1])
    other = stand_in("vgg16", 1.0, of_data(others), scores=models[0].scores)
    earlier = stand_in("efficientnet_b0", scores=models[1].scores)
    mixed = Models(other, earlier, *models[1:])
    chosen = select_gate("best", mixed, SPLITS)
    assert chosen.name == "mobilenet_v2" and "vgg16" not in chosen.candidates
    assert chosen.excluded == {
        "vgg16": "made from other splits",
        "efficientnet_b0": "made by an earlier release, and chosen by name only",
    }
    assert select_gate("efficientnet_b0", mixed, SPLITS).name == "efficientnet_b0"
    refused = (
        "gate is vgg16, which cannot be chosen: made from other splits; train it: "
        '--params "backbones=vgg16"'
    )
    with pytest.raises(SteelDefectsError, match=refused):
        select_gate("vgg16", mixed, SPLITS)
    with pytest.raises(SteelDefectsError, match="gate is resnet50, .* it was never trained"):
        select_gate("resnet50", Models(earlier), SPLITS)
    with pytest.raises(SteelDefectsError, match="no model can be chosen as the best gate .vgg16: "):
        select_gate("best", Models(other), SPLITS)


def test_a_clear_lead_is_called_one():
    held_out, below, facts = many(sheets=100, validation=60, repeats=1)
    good, _ = nodes.calibrate(held_out, facts, facts, below)
    labels = good["has_defect"].to_numpy(bool)
    better = good.assign(score=np.where(labels, 0.9, 0.1))
    models = Models(
        gate("vgg16", better, facts, 9),
        gate("resnet50", good, facts, 7),
    )
    chosen = select_gate("best", models, facts)
    assert chosen["name"] == "vgg16"
    assert "above resnet50, more than the uncertainty of 60 sheets" in chosen["reason"]


@pytest.mark.parametrize("frozen", [0, 3])
def test_the_random_start_of_a_backbone_from_nothing_is_never_the_best(
    data: Data, tmp_path, monkeypatch, frozen
):
    from steel_defects.training import classification

    counted = []

    def fit(*args, start_counts=False, **kwargs):
        counted.append(start_counts)
        return pd.DataFrame({"epoch": [1]})

    monkeypatch.setattr(classification, "fit", fit)
    config = TRAINING.model_copy(update={"frozen_epochs": frozen})
    nodes.train_classifier(
        data.folder, data.sheets, data.annotations, data.splits, tmp_path, tmp_path, config, OWN
    )
    assert counted == [False]


def test_a_choice_that_nothing_could_be_measured_for_says_so():
    from steel_defects.evaluation.selection import select

    now = of_data(SPLITS)
    models = [
        TrainedModel(name=n, parameters=p, quality=None, made_from=now)
        for n, p in (("a", 9), ("b", 2))
    ]
    chosen = select("gate", "best", models, {"a": "1", "b": "2"}, now)
    assert chosen["name"] == "b"
    assert chosen["reason"] == "the smallest; validation has too few sheets to measure ROC-AUC"
