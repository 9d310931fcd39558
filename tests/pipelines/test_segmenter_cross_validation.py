"""Folds of segmenters: what each sees, what is kept of them, and a real one."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from tests.pipelines.test_segmentation_nodes import TRAINING, Seer
from tests.support.data import CONFIG, Data

from steel_defects import tables as schemas
from steel_defects.decision.postprocessing import PostprocessingGrid
from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.segmentation import pair_table
from steel_defects.models.config import NetworkConfig
from steel_defects.pipelines.segmentation import nodes
from steel_defects.prediction.inference import SegmenterPredictionConfig
from steel_defects.training import cross_validation, folds
from steel_defects.training.config import SegmenterCrossValidationConfig

pytestmark = pytest.mark.slow

PLAN = SegmenterCrossValidationConfig(
    architectures=("unet",), repeats=2, epochs_share=0.5, validation_share=0.3
)
GRID = PostprocessingGrid(
    thresholds=(0.05, 0.5), min_areas_px=(0, 8000), gate_area_factors=(0, 1e6)
)
NETWORK = NetworkConfig({"name": "unet", "filters": (2, 4)})


def run(data: Data, folder: Path, plan=PLAN, training=TRAINING, gate=None) -> pd.DataFrame:
    return run_and_tune(data, folder, plan, training, gate)[0]


def run_and_tune(
    data: Data, folder: Path, plan=PLAN, training=TRAINING, gate=None
) -> tuple[pd.DataFrame, dict]:
    return nodes.cross_validate_segmenter(
        data.folder, data.sheets, data.annotations, data.splits, data.tiles, Path(), folder,
        CONFIG, training, SegmenterPredictionConfig(), plan, GRID, NETWORK, gate,
    )  # fmt: skip


class Trainer:
    """Answers each fold with a network that knows the truth, and notes what it was shown."""

    def __init__(self, data: Data, fail_at: int = 99) -> None:
        self.seer, self.fail_at = Seer(data), fail_at
        self.shown: list[tuple[set[str], set[str], int]] = []

    def __call__(self, training, validation, recipe, checkpoint_dir):
        if len(self.shown) == self.fail_at:
            raise KeyboardInterrupt
        parts = (set(part.tiles["sheet_id"]) for part in (training, validation))
        self.shown.append((*parts, recipe.training.epochs))
        return SimpleNamespace(model=self.seer)


@pytest.fixture
def trainer(data: Data, monkeypatch) -> Trainer:
    trainer = Trainer(data)
    monkeypatch.setattr(cross_validation, "fit_segmenter", trainer)
    monkeypatch.setattr(folds, "save_model", lambda model, path: path.touch())
    monkeypatch.setattr(cross_validation, "load_model", lambda path: trainer.seer)
    return trainer


def test_every_sheet_is_outlined_once_a_repeat_by_a_network_that_never_saw_its_group(
    data: Data, trainer: Trainer, tmp_path
):
    ten = TRAINING.model_copy(update={"epochs": 10})
    table = run(data, tmp_path, training=ten)
    schemas.out_of_fold_predictions.validate(table)
    counts = table.groupby(["repeat", "sheet_id", "class_id"]).size()
    assert len(counts) == 2 * 4 * len(data.sheets)
    assert (counts == 1).all()
    facts = data.splits.set_index("sheet_id")
    assert (table["split"] == table["sheet_id"].map(facts["split"])).all()
    assert [shown[2] for shown in trainer.shown] == [5] * 4
    order = [(repeat, fold) for repeat in (0, 1) for fold in (0, 1)]
    for (repeat, fold), (learned, tuned, _) in zip(order, trainer.shown, strict=True):
        rows = table[(table["repeat"] == repeat) & (table["fold"] == fold)]
        kept = set(rows["sheet_id"])
        assert (facts["fold"][list(kept)].str[repeat] == fold).all()
        groups = [set(facts["group_id"][list(part)]) for part in (kept, learned, tuned)]
        assert not groups[0] & groups[1]
        assert not groups[0] & groups[2]
        assert not groups[1] & groups[2]
        assert kept | learned | tuned == set(facts.index)
        assert 1 <= len(tuned) < len(learned)
    # What was tuned is the threshold of one half, at which the network says the truth.
    pairs = pair_table(table[table["repeat"] == 0], data.annotations, data.sheets)
    assert pairs["dice"].mean() > 0.9


def test_finished_folds_are_not_trained_again_after_a_kill(data: Data, trainer, tmp_path):
    trainer.fail_at = 3
    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path)
    assert len(list(tmp_path.rglob("*.keras"))) == 3
    trainer.fail_at, trainer.shown[:] = 99, []
    resumed = run(data, tmp_path)
    assert len(trainer.shown) == 1
    assert not list(tmp_path.rglob("*.keras"))
    trainer.shown.clear()
    pd.testing.assert_frame_equal(run(data, tmp_path), resumed)
    assert len(trainer.shown) == 4


def test_a_fold_of_other_parameters_does_not_count(data: Data, trainer, tmp_path):
    trainer.fail_at = 3
    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path)
    trainer.fail_at, trainer.shown[:] = 99, []
    run(data, tmp_path, training=TRAINING.model_copy(update={"learning_rate": 0.5}))
    assert len(trainer.shown) == 4


def test_each_repeat_takes_the_scores_of_its_own_gate(data: Data, trainer, tmp_path):
    """In repeat 0 the gate is as sure as can be of each defect, in repeat 1 of none."""
    defective = data.sheets["has_defect"]
    gate = pd.concat(
        data.sheets[["sheet_id"]].assign(repeat=repeat, score=score, cleared=False)
        for repeat, score in ((0, np.where(defective, 1.0, 0.0)), (1, 1.0), (None, 0.0))
    ).astype({"repeat": "Int64"})
    always = GRID.model_copy(update={"thresholds": (0.05,), "min_areas_px": (1,)})
    table, settings = nodes.cross_validate_segmenter(
        data.folder, data.sheets, data.annotations, data.splits, data.tiles, Path(), tmp_path,
        CONFIG, TRAINING, SegmenterPredictionConfig(), PLAN, always, NETWORK, gate,
    )  # fmt: skip
    assert settings.classes == ()
    # At 0.05 each map is one region as large as the sheet; a factor of 10⁶ drops it on clean ones.
    area = table.groupby(["repeat", "sheet_id"])["area_px"].max().unstack("sheet_id")
    clean = data.sheets.loc[~defective, "sheet_id"]
    assert (area.loc[0, clean] == 0).all()
    assert (area.loc[1, clean] > 0).all()


class Shifting(Seer):
    """Its maps are right from 0.5 on for fold 0 of the first repeat, for others from 0.05 on."""

    def __init__(self, data: Data) -> None:
        super().__init__(data)
        self._fold = data.splits.set_index("sheet_id")["fold"]
        rows = data.sheets[["sheet_id", "path"]].itertuples(index=False, name=None)
        self._ids = {data.folder.read(p).astype(np.float32).tobytes(): name for name, p in rows}

    def predict_on_batch(self, sheets: np.ndarray) -> np.ndarray:
        maps = super().predict_on_batch(sheets)
        fold = self._fold[self._ids[sheets[0, ..., 0].tobytes()]][0]
        return maps if fold == 0 else maps - 0.08 - 0.6 * (maps > 0.5)


@pytest.mark.parametrize(("test_fold", "threshold"), [(1, 0.5), (0, 0.05)])
def test_test_sheets_have_no_say_in_the_settings_of_the_final_segmenter(
    data: Data, trainer, tmp_path, test_fold, threshold
):
    fold = data.splits["fold"].str[0]
    split = np.where(fold == test_fold, "test", "train")
    data = replace(data, splits=data.splits.assign(split=split))
    trainer.seer = Shifting(data)
    plan = PLAN.model_copy(update={"repeats": 1, "tune_out_of_fold": True})
    _, settings = run_and_tune(data, tmp_path, plan)
    defective = data.annotations.merge(data.splits[fold != test_fold], on="sheet_id")
    seen = set(defective["class_id"])
    assert seen
    assert {settings.classes[class_id - 1].threshold for class_id in seen} == {threshold}


def test_a_fold_is_tuned_on_the_other_folds_of_its_repeat(data: Data, trainer, tmp_path):
    trainer.seer = Shifting(data)
    plan = PLAN.model_copy(update={"repeats": 1, "tune_out_of_fold": True})
    table, settings = run_and_tune(data, tmp_path, plan)
    dice = pair_table(table, data.annotations, data.sheets).merge(
        table[["sheet_id", "fold", "class_id"]], on=["sheet_id", "class_id"]
    )
    # Fold 0 is cut at 0.05, where its maps are whole sheets; fold 1 at 0.5, where it has nothing.
    found = table[table["area_px"] > 0]
    assert (found.loc[found["fold"] == 0, "area_px"] == 64 * 256).all()
    assert found[found["fold"] == 1].empty
    assert dice["dice"].mean() < 0.9
    # All folds together decide for the final segmenter.
    assert len(settings.classes) == 4
    assert all(one.threshold in (0.05, 0.5) for one in settings.classes)


def test_more_repeats_than_splits_holds_are_refused(data: Data, trainer, tmp_path):
    plan = PLAN.model_copy(update={"repeats": 3})
    with pytest.raises(SteelDefectsError, match="splits holds 2 repeats, and 3 are wanted"):
        run(data, tmp_path, plan)


def test_real_folds(data: Data, tmp_path):
    table = run(data, tmp_path, PLAN.model_copy(update={"repeats": 1}))
    schemas.out_of_fold_predictions.validate(table)
    assert len(table) == 4 * len(data.sheets)
    assert table["score"].between(0.001, 0.999).all()
    assert not list(tmp_path.rglob("*.*"))
