"""Learning curves of networks that stand in for trained ones, and of real ones."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from tests.pipelines.test_classification_nodes import OWN, Oracle
from tests.pipelines.test_classification_nodes import TRAINING as CLASSIFICATION
from tests.pipelines.test_segmentation_nodes import NETWORK, Seer
from tests.pipelines.test_segmentation_nodes import TRAINING as SEGMENTATION
from tests.support.data import CONFIG, PLAN, Data

from steel_defects import tables as schemas
from steel_defects.decision.postprocessing import PostprocessingGrid
from steel_defects.errors import SteelDefectsError
from steel_defects.pipelines import learning_curve as nodes
from steel_defects.prediction.inference import SegmenterPredictionConfig
from steel_defects.training import cross_validation, folds, learning_curve
from steel_defects.training.config import LearningCurveConfig, SegmenterCrossValidationConfig

pytestmark = pytest.mark.slow

CURVE = LearningCurveConfig(models=("mobilenet_v2", "unet"), shares=(0.75, 1.0), seeds=2)
GRID = PostprocessingGrid(thresholds=(0.05, 0.5), min_areas_px=(0, 8000))


def gate(data: Data, folder: Path, curve=CURVE, training=CLASSIFICATION) -> pd.DataFrame:
    return nodes.measure_gate_learning_curve(
        data.folder, data.sheets, data.annotations, data.splits, Path(), folder, training, OWN,
        PLAN, curve,
    )  # fmt: skip


def segmenter(data: Data, folder: Path, curve=CURVE, training=SEGMENTATION) -> pd.DataFrame:
    plan = SegmenterCrossValidationConfig(validation_share=0.3)
    return nodes.measure_segmenter_learning_curve(
        data.folder, data.sheets, data.annotations, data.splits, data.tiles, Path(), folder, CONFIG,
        training, SegmenterPredictionConfig(), plan, GRID, NETWORK, curve,
    )  # fmt: skip


class Bright(Oracle):
    """Stands in for a trained gate: a bright sheet is defective."""

    def predict_on_batch(self, pictures: np.ndarray) -> np.ndarray:
        return pictures.mean(axis=(1, 2)) / 255


class Trainer:
    """Answers each share with a network that stands in for a trained one, and notes its sheets."""

    def __init__(self, model: object, fail_at: int = 99) -> None:
        self.model, self.fail_at = model, fail_at
        self.shown: list[tuple[set[str], set[str], int]] = []

    def __call__(self, training, validation, recipe, checkpoint_dir, features=None):
        if len(self.shown) == self.fail_at:
            raise KeyboardInterrupt
        tables = (
            getattr(part, "tiles", getattr(part, "sheets", None)) for part in (training, validation)
        )
        ids = (set(table["sheet_id"]) for table in tables)
        self.shown.append((*ids, recipe.training.seed))
        return SimpleNamespace(model=self.model)


@pytest.fixture(params=["gate", "segmenter"])
def measure(request, data: Data, monkeypatch):
    """A node with a stand-in for its training, which hangs on it as ``trainer``."""
    model = Bright() if request.param == "gate" else Seer(data)
    fit = {"gate": "fit_classifier", "segmenter": "fit_segmenter"}[request.param]
    measure = {"gate": gate, "segmenter": segmenter}[request.param]
    measure.trainer = Trainer(model)
    monkeypatch.setattr(learning_curve, fit, measure.trainer)
    monkeypatch.setattr(folds, "save_model", lambda model, path: path.touch())
    monkeypatch.setattr(cross_validation, "load_model", lambda path: model)
    return measure


METRICS = {gate: {"roc_auc", "accuracy"}, segmenter: {"mean_dice", "dice_on_positives"}}


def test_each_share_and_seed_is_measured_on_the_fold_that_none_of_them_saw(
    data: Data, measure, tmp_path
):
    table = measure(data, tmp_path)
    schemas.learning_curve.validate(table)
    assert set(table["metric"]) == METRICS[measure]
    assert set(table["model"]) == {"mobilenet_v2" if measure is gate else "unet"}
    assert table.groupby(["share", "seed"]).size().to_dict() == {
        (share, seed): 2 for share in (0.75, 1.0) for seed in (1, 2)
    }
    assert (table["low"] <= table["value"]).all() and (table["value"] <= table["high"]).all()
    fold = data.splits.set_index("sheet_id")["fold"].str[0]
    by_share = table.drop_duplicates(["share", "seed"]).itertuples()
    for row, (learned, tuned, seed) in zip(by_share, measure.trainer.shown, strict=True):
        assert (fold[list(learned | tuned)] != 0).all()
        assert not learned & tuned
        assert (row.sheets, row.seed) == (len(learned | tuned), seed)
    sizes = table.groupby("share")["sheets"].max()
    assert sizes[0.75] < sizes[1.0] == (fold != 0).sum()
    if measure is segmenter:  # one that knows the truth, at the threshold of one half
        assert (table["value"] == 1).all()


def test_finished_shares_are_not_trained_again_after_a_kill(data: Data, measure, tmp_path):
    trainer = measure.trainer
    trainer.fail_at = 3
    with pytest.raises(KeyboardInterrupt):
        measure(data, tmp_path)
    assert len(list(tmp_path.rglob("*.keras"))) == 3
    trainer.fail_at, trainer.shown[:] = 99, []
    resumed = measure(data, tmp_path)
    assert len(trainer.shown) == 1
    assert not list(tmp_path.rglob("*.*"))
    trainer.shown.clear()
    pd.testing.assert_frame_equal(measure(data, tmp_path), resumed)
    assert len(trainer.shown) == 4


def test_shares_of_other_parameters_do_not_count(data: Data, measure, tmp_path):
    trainer = measure.trainer
    trainer.fail_at = 3
    with pytest.raises(KeyboardInterrupt):
        measure(data, tmp_path)
    trainer.fail_at, trainer.shown[:] = 99, []
    training = CLASSIFICATION if measure is gate else SEGMENTATION
    measure(data, tmp_path, training=training.model_copy(update={"learning_rate": 0.5}))
    assert len(trainer.shown) == 4


def test_a_share_that_is_too_small_is_refused_before_any_training(data: Data, measure, tmp_path):
    small = CURVE.model_copy(update={"shares": (0.1, 1.0)})
    message = "10 % of the sheets are too few .* leave that share out of learning_curve.shares"
    with pytest.raises(SteelDefectsError, match=message):
        measure(data, tmp_path, small)
    assert measure.trainer.shown == []


def test_a_gate_takes_both_kinds_of_sheets(data: Data, tmp_path):
    defective = replace(data, sheets=data.sheets.assign(has_defect=True))
    with pytest.raises(SteelDefectsError, match="leave it out of learning_curve.models"):
        gate(defective, tmp_path)


class Doubtful(Seer):
    """Its maps are the truth from 0.05 on, and empty from 0.5 on."""

    def predict_on_batch(self, sheets):
        return 0.3 * (super().predict_on_batch(sheets) > 0.5)


@pytest.mark.parametrize(("fewest", "dice"), [(10, 0.0), (0, 1.0)])
def test_a_class_with_too_few_sheets_to_tune_by_is_cut_at_one_half(
    data: Data, tmp_path, monkeypatch, caplog, fewest, dice
):
    model = Doubtful(data)
    monkeypatch.setattr(learning_curve, "FEWEST_OF_A_KIND", fewest)
    monkeypatch.setattr(learning_curve, "fit_segmenter", Trainer(model))
    monkeypatch.setattr(folds, "save_model", lambda model, path: path.touch())
    monkeypatch.setattr(cross_validation, "load_model", lambda path: model)
    table = segmenter(data, tmp_path)
    found = table.loc[table["metric"] == "dice_on_positives", "value"]
    assert (found == dice).all()
    assert ("the threshold of classes 1, 2, 3, 4 is one half" in caplog.text) == (fewest == 10)


@pytest.mark.parametrize("measure", [gate, segmenter])
def test_real_networks_learn_from_shares(data: Data, measure, tmp_path):
    table = measure(data, tmp_path, CURVE.model_copy(update={"seeds": 1}))
    schemas.learning_curve.validate(table)
    assert len(table) == 4
    assert not list(tmp_path.rglob("*.*"))


def test_curves_are_joined_and_what_more_sheets_bring_is_told(caplog):
    shares, sizes = [0.25, 0.5, 0.75, 1.0], [20, 40, 60, 80]
    one = pd.DataFrame({"share": shares, "sheets": sizes, "seed": 1, "metric": "mean_dice"})
    one = one.assign(model="unet", value=[0.5, 0.6, 0.64, 0.67], low=0.4, high=0.8)
    joined = nodes.join_learning_curves(unet=one, fpn=one.assign(model="fpn", value=0.5))
    schemas.learning_curve.validate(joined)
    assert joined["model"].tolist() == ["unet"] * 4 + ["fpn"] * 4
    assert "unet, mean Dice: 0.670 with 80 sheets." in caplog.text
    assert "fpn, mean Dice: 0.500 with 80 sheets." in caplog.text
    assert nodes.draw_learning_curve(joined).axes
