import re

import numpy as np
import pandas as pd
import pytest
from tests.support.data import CONFIG, Data
from tests.support.operating_points import operating_point
from tests.support.trained import Models, stand_in

from steel_defects import tables as schemas
from steel_defects.datasets.image_folder import ImageFolderDataset
from steel_defects.decision.fusion import Stacking
from steel_defects.models.trained import ModelSelection
from steel_defects.pipelines.reporting import measurement_nodes, nodes
from steel_defects.reporting.config import ReportingConfig

SETTINGS = ReportingConfig(overlays=8, seed=1)


@pytest.fixture(scope="module")
def predictions(data: Data) -> pd.DataFrame:
    """Perfect masks of all sheets, but one that is missed and one that is found on a clean one."""
    truth = data.annotations.set_index(["sheet_id", "class_id"])["rle"].to_dict()
    missed = data.annotations["sheet_id"].iloc[0]
    clean = data.sheets.loc[~data.sheets["has_defect"], "sheet_id"].iloc[0]
    rows = [
        (sheet_id, k, "" if sheet_id == missed else truth.get((sheet_id, k), ""))
        for sheet_id in data.sheets["sheet_id"]
        for k in range(1, 5)
    ]
    table = pd.DataFrame(rows, columns=["sheet_id", "class_id", "rle"]).assign(split="test")
    table.loc[(table["sheet_id"] == clean) & (table["class_id"] == 2), "rle"] = "1 50"
    # Those of a cross-validation are not the final model's, and are not shown.
    out_of_fold = table.assign(rle="1 9", repeat=0)
    return pd.concat([table.assign(repeat=None), out_of_fold]).astype({"repeat": "Int64"})


@pytest.fixture(scope="module")
def selection(data: Data, predictions) -> pd.DataFrame:
    return nodes.choose_overlays(
        data.sheets, data.annotations, stand_in("unet", predictions=predictions), SETTINGS
    )


def test_every_outcome_is_chosen(selection):
    schemas.overlay_selection.validate(selection)
    assert len(selection) == 8
    assert set(selection["outcome"]) == {"hit", "miss", "false alarm", "clean"}
    miss = selection.loc[selection["outcome"] == "miss", "caption"].item()
    assert miss.endswith(": miss, Dice 0.00")


FIGURES = (
    *(*nodes.GATE_FIGURES, *nodes.SEGMENTER_FIGURES, *nodes.ROBUSTNESS_FIGURES),
    *("oddest_sheets", "grad_cam", "confident_mistakes", "changed_verdicts"),
)


@pytest.mark.parametrize("gate", [True, False])
def test_overlays_and_report(data: Data, selection, predictions, tmp_path, gate):
    unet = stand_in("unet", predictions=predictions, stacking=Stacking())
    drawn = nodes.draw_overlays(selection, data.folder, data.sheets, data.annotations, unet, CONFIG)
    dataset = ImageFolderDataset(filepath=str(tmp_path / "overlays"))
    dataset.save(drawn)
    (tmp_path / "figure.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(24))
    names = FIGURES if gate else (*nodes.SEGMENTER_FIGURES, "oddest_sheets")
    figures = {f"{name}_figure": tmp_path / "figure.png" for name in names}
    empty = pd.DataFrame()
    leakage = pd.DataFrame({"division": ["by group"], "split": ["test"], "copies": [0]})
    lookup = pd.DataFrame({"division": ["at random"], "mean_dice": [0.987]})
    of_gate = {
        "gate_selection": ModelSelection(name="vgg16", reason="asked for"),
        "classification_comparison": empty,
        "grad_cam_check": pd.DataFrame({"heat_share": [0.4, 0.3], "gaussian_share": [0.1, 0.1]}),
        "confident_mistakes": pd.DataFrame(
            {"sheet_id": ["odd.jpg"], "has_defect": [True], "score": [0.01]}
        ),
    }  # fmt: skip
    measured = measurement_nodes.measure_detection(data.sheets, data.annotations, unet, CONFIG)
    pairs, _, confusion = measured
    sizes, *drawn_figures = measurement_nodes.draw_detection(*measured, CONFIG)
    assert all(figure.axes for figure in drawn_figures)
    html = nodes.write_report(
        empty, empty, Models(unet).selection, unet, Models(), {"sheets": 16}, dataset.load(),
        selection, leakage, lookup, {"run_id": "r1"}, pairs, confusion, sizes, CONFIG, SETTINGS,
        **(of_gate if gate else {}), **figures,
    )  # fmt: skip
    assert len(re.findall(r"data:image/jpeg;base64", html)) == 8
    # No verdicts changed, and so that picture stays out.
    assert len(re.findall(r"data:image/png;base64", html)) == len(names) - gate
    assert "Nearest training sheet of held-out sheets" in html
    assert "0.987" in html
    assert ("On 2 of 2 defective sheets" in html and "odd.jpg" in html) == gate
    assert ("no backbone was chosen" in html) != gate
    assert html.index(selection["caption"].iloc[0]) < html.index("<table")
    for caption in selection["caption"]:
        assert caption in html


def test_figures_of_the_gates(data: Data):
    table = data.splits[["sheet_id", "split"]].merge(
        data.sheets[["sheet_id", "has_defect"]], on="sheet_id"
    )
    scores = table.assign(
        repeat=pd.array([None] * len(table), dtype="Int64"),
        score=np.linspace(0, 1, len(table)),
    )
    history = pd.DataFrame({"epoch": [1, 2], "loss": [0.7, 0.5], "validation_loss": [0.7, 0.6]})
    point = operating_point(lower_threshold=0.4)
    models = Models(stand_in("vgg16", scores=scores, operating_point=point, history=history))
    figures = nodes.draw_classification_figures(models.selection, models)
    assert len(figures) == 5
    for figure in figures:
        assert figure.axes


def test_figures_of_the_segmenters(data: Data):
    classes = pd.DataFrame(
        {
            "architecture": "unet", "class_id": [1, 2, 3, 4],
            "class_name": CONFIG.class_names, "positives": 2, "mean_dice": 0.9,
            "dice_on_positives": 0.6, "boundary_iou_on_positives": 0.4, "detection_rate": 1.0,
            "false_positive_rate": 0.0,
        }
    )  # fmt: skip
    maps = {name: np.zeros((32, 128, 4), np.uint8) for name in data.sheets["sheet_id"][:3]}
    history = pd.DataFrame({"epoch": [1], "loss": [0.7], "validation_loss": [0.7]})
    unet = stand_in("unet", probabilities=maps, history=history)
    figures = nodes.draw_segmentation_figures(
        classes, data.annotations, data.sheets, Models(unet).selection, Models(unet), unet, CONFIG
    )
    assert len(figures) == 3
