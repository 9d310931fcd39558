"""What the chosen gate looks at, from its tables; both models on worse pictures."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from tests.support.data import Data
from tests.support.operating_points import operating_point
from tests.support.trained import stand_in

from steel_defects import tables as schemas
from steel_defects.decision.postprocessing import ClassPostprocessing
from steel_defects.evaluation.robustness import LEVELS, Judges, robustness_table
from steel_defects.images.folder import SheetFolder
from steel_defects.pipelines.reporting import measurement_nodes
from steel_defects.prediction import sheet_scores
from steel_defects.prediction.inference import SegmenterPredictionConfig
from steel_defects.reporting.config import ReportingConfig
from steel_defects.tables.declared import HEAT_MAPS

SETTINGS = ReportingConfig(overlays=8, seed=1)
POINT = operating_point(lower_threshold=0.3)


@pytest.fixture(scope="module")
def gate(data: Data) -> SimpleNamespace:
    """A gate that takes every second sheet for defective, and looks at the left third of all."""
    table = data.splits[["sheet_id", "split"]].merge(
        data.sheets[["sheet_id", "has_defect"]], on="sheet_id"
    )
    scores = table.assign(
        repeat=pd.array([None] * len(table), dtype="Int64"),
        score=np.where(np.arange(len(table)) % 4 < 2, 0.9, 0.1),
    )
    return stand_in("vgg16", scores=scores, operating_point=POINT, classifier="the network")


@pytest.fixture
def heat_maps(data: Data, gate, monkeypatch) -> pd.DataFrame:
    """Where it looks on the sheets that its training did not see."""

    def explain(classifier: str, _: SheetFolder, sheets: pd.DataFrame) -> pd.DataFrame:
        assert classifier == "the network"
        rows = sheets[["sheet_id"]].assign(rows=1, columns=3)
        return rows.assign(heat=[[1.0, 0.0, 0.0]] * len(rows))

    monkeypatch.setattr(sheet_scores, "heat_map_table", explain)
    return measurement_nodes.explain_gate(gate, data.folder, data.sheets, data.splits)


def test_sheets_that_training_did_not_see_are_explained(data: Data, heat_maps):
    unseen = data.splits.loc[data.splits["split"] != "train", "sheet_id"]
    assert set(heat_maps["sheet_id"]) == set(unseen)
    nothing = measurement_nodes.explain_gate(None, data.folder, data.sheets, data.splits)
    assert schemas.heat_maps.validate(nothing).empty


def test_the_check_has_one_row_per_defective_sheet(data: Data, gate, heat_maps):
    check = measurement_nodes.check_grad_cam(gate, heat_maps, data.sheets, data.annotations)
    schemas.grad_cam_check.validate(check)
    scores = gate.scores
    wanted = scores[scores["has_defect"] & (scores["split"] != "train")].set_index("sheet_id")
    assert set(check["sheet_id"]) == set(wanted.index) and len(check) > 2
    hits = wanted["score"].loc[check["sheet_id"]] >= 0.3
    assert check["outcome"].tolist() == ["hit" if hit else "miss" for hit in hits]
    areas = data.annotations.groupby("sheet_id")["area_px"].sum().loc[check["sheet_id"]]
    # Masks of two classes may overlap.
    assert (check["uniform_share"].to_numpy() <= areas.to_numpy() / (64 * 256) + 1e-9).all()
    assert check["heat_share"].nunique() > 1


def test_figures_show_what_was_chosen(data: Data, gate, heat_maps):
    figure = measurement_nodes.draw_grad_cam(
        gate, heat_maps, data.folder, data.sheets, data.annotations, SETTINGS
    )
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.images][:-1]
    assert all(title.startswith(("hit", "miss", "false alarm")) for title in titles)
    assert 3 <= len(titles) <= 6
    mistakes = measurement_nodes.list_mistakes(gate)
    schemas.confident_mistakes.validate(mistakes)
    assert 0 < len(mistakes) <= 4
    figure = measurement_nodes.draw_mistakes(
        mistakes, gate, data.folder, data.sheets, data.annotations
    )
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.images]
    assert [title.split()[1].rstrip(":") for title in titles] == mistakes["sheet_id"].tolist()


def test_without_a_gate_tables_are_empty_and_figures_say_so(data: Data):
    maps = HEAT_MAPS.empty()
    check = measurement_nodes.check_grad_cam(None, maps, data.sheets, data.annotations)
    assert schemas.grad_cam_check.validate(check).empty
    mistakes = measurement_nodes.list_mistakes(None)
    assert schemas.confident_mistakes.validate(mistakes).empty
    for figure in (
        measurement_nodes.draw_grad_cam(
            None, maps, data.folder, data.sheets, data.annotations, SETTINGS
        ),
        measurement_nodes.draw_mistakes(mistakes, None, data.folder, data.sheets, data.annotations),
    ):
        assert figure.axes[0].texts[0].get_text() == "There is no gate."


# === Worse pictures, with stand-ins for the networks ===


def outline(batch: np.ndarray) -> np.ndarray:
    """Call the darkest pixels a defect of class 1."""
    return np.concatenate([batch < 40, *[np.zeros_like(batch)] * 3], axis=-1).astype(np.float32)


def test_every_level_is_judged_and_darkness_is_noticed(data: Data) -> None:
    judges = Judges(
        gate=None,
        segmenter=SimpleNamespace(predict_on_batch=outline),
        point=None,
        settings=[ClassPostprocessing(threshold=0.5, min_area_px=0)] * 4,
        tta="none",
    )
    sheets = data.sheets.groupby("has_defect").head(1)
    table = robustness_table(judges, data.folder, sheets, data.annotations, seed=1)
    assert len(table) == 6 * len(LEVELS) and (table["sheets"] == 2).all()
    assert table["accuracy"].isna().all() and table["mean_dice"].notna().all()
    as_is = table.loc[table["level"] == 0, "mean_dice"]
    assert as_is.nunique() == 1
    dark = table[(table["corruption"] == "brightness") & (table["level"] == 5)]["mean_dice"].item()
    assert dark < as_is.iloc[0]


@pytest.mark.parametrize("gate", [None, stand_in("vgg16")])
def test_without_sheets_nothing_is_loaded(data: Data, gate) -> None:
    table = measurement_nodes.measure_robustness(
        data.folder, data.sheets, data.annotations, data.splits, stand_in("unet"),
        SegmenterPredictionConfig(), ReportingConfig(overlays=8, robustness_sheets=0, seed=0), gate,
    )  # fmt: skip
    assert isinstance(table, pd.DataFrame) and table.empty and "mean_dice" in table
