"""From a package to its copy with exports, through the nodes of the pipeline."""

from pathlib import Path

import cv2
import keras
import numpy as np
import pandas as pd
import pytest

from steel_defects import tables as schemas
from steel_defects.decision.postprocessing import ClassPostprocessing
from steel_defects.deployment.config import DeploymentConfig, choose_sheets
from steel_defects.errors import SteelDefectsError
from steel_defects.inspection.config import InspectionConfig
from steel_defects.package.folder import write_package
from steel_defects.package.manifest import Manifest, SegmenterSpec
from steel_defects.pipelines.deployment import nodes

CONFIG = DeploymentConfig(
    runtimes=("openvino",),
    sheets="splits",
    parity_sheets=2,
    calibration_sheets=1,
    latency_repeats=1,
)
NOTHING = pd.DataFrame()
SPLITS = pd.DataFrame(
    {
        "sheet_id": [f"{n}.png" for n in range(5)],
        "split": ["train", "validation", "calibration", "calibration", "test"],
    }
)
MARKED = pd.DataFrame({"sheet_id": ["1.png"], "class_id": [1], "rle": ["1 9"]})
RULES = InspectionConfig(
    severity_area_px={"minor": 0}, black_share=0.98, saturated_share=0.5, focus_share=0.0,
)  # fmt: skip


@pytest.fixture
def raw_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    for number, name in enumerate(SPLITS["sheet_id"]):
        picture = np.random.default_rng(number).integers(0, 256, (32, 64), np.uint8)
        cv2.imwrite(str(folder / name), picture)
    return folder


def test_sheets_are_those_that_no_model_was_fitted_to(raw_dir):
    chosen = choose_sheets(CONFIG, raw_dir, raw_dir, SPLITS, MARKED)
    assert len(chosen.parity) == 2
    assert set(chosen.parity) <= {"1.png", "2.png", "3.png"}
    assert chosen.calibration == ["1.png"]
    assert chosen.masks == {"1.png": {1: "1 9"}}
    assert chosen.size == chosen.first_size == (32, 64)


def test_training_sheets_fill_up_what_is_compared_and_test_is_left_alone(raw_dir):
    config = CONFIG.model_copy(update={"parity_sheets": 9, "calibration_sheets": 9})
    chosen = choose_sheets(config, raw_dir, raw_dir, SPLITS, MARKED)
    assert list(chosen.parity) == ["1.png", "2.png", "3.png", "0.png"]
    assert chosen.calibration == ["1.png"]


def test_a_command_line_names_runtimes_with_spaces_between_them():
    values = CONFIG.model_dump() | {"runtimes": "onnx litert"}
    assert DeploymentConfig(**values).runtimes == ("onnx", "litert")


def test_a_folder_has_no_masks(raw_dir):
    config = CONFIG.model_copy(update={"sheets": "folder", "parity_sheets": 9})
    chosen = choose_sheets(config, raw_dir / "absent", raw_dir, NOTHING, NOTHING)
    assert list(chosen.parity) == SPLITS["sheet_id"].tolist()
    assert chosen.masks is None


def test_sheets_that_are_not_there(raw_dir, tmp_path):
    with pytest.raises(SteelDefectsError, match="deployment.sheets=folder"):
        choose_sheets(CONFIG, raw_dir, raw_dir, NOTHING, NOTHING)
    config = CONFIG.model_copy(update={"sheets": "folder"})
    (tmp_path / "empty").mkdir()
    with pytest.raises(SteelDefectsError, match="no pictures"):
        choose_sheets(config, raw_dir, tmp_path / "empty", NOTHING, NOTHING)


@pytest.mark.slow
def test_from_a_package_to_its_exports(raw_dir, tmp_path):
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    sheet = keras.Input((None, None, 1))
    maps = keras.layers.Conv2D(2, 3, padding="same", activation="sigmoid")(sheet)
    settings = (ClassPostprocessing(threshold=0.5, min_area_px=4),) * 2
    manifest = Manifest(
        class_names=("pitting", "crack"),
        gate=None,
        segmenter=SegmenterSpec(name="unet", file="segmenter.keras", postprocessing=settings),
    )
    model = keras.Model(sheet, maps)
    package = write_package(tmp_path / "package", manifest, {"segmenter.keras": model.save})
    contents, parity = nodes.export_networks(
        package, raw_dir, raw_dir, SPLITS, MARKED, CONFIG, RULES
    )
    schemas.export_parity.validate(parity)
    rows = parity.set_index(["network", "runtime", "precision"])
    assert rows.loc[("segmenter", "openvino", "fp32"), "passed"]
    assert rows.loc[("gate", "openvino", "fp32"), "reason"] == "the package has no gate"
    assert rows.loc[("segmenter", "onnx", "fp32"), "reason"] == "not among deployment.runtimes"
    made = write_package(tmp_path / "candidates", contents.manifest, contents.writers)
    latency = parity[["network", "runtime", "precision"]].assign(ms_p50=5.0)
    parity.loc[parity["precision"] == "int8", "passed"] = False
    released = nodes.release_exports(made, parity, latency)
    copy = write_package(tmp_path / "exports", released.manifest, released.writers)
    assert copy.model_id == package.model_id
    assert {one.precision for one in copy.manifest.exports} <= {"fp32", "bf16"}
    assert all(one.parity.passed and one.ms_per_sheet == 5.0 for one in copy.manifest.exports)
    assert not [name for name in copy.manifest.files if "int8" in name]


def test_sheets_that_are_elsewhere_are_asked_for(tmp_path):
    with pytest.raises(SteelDefectsError, match="none of the sheets of the splits is in"):
        choose_sheets(CONFIG, tmp_path, tmp_path, SPLITS, MARKED)


def test_a_sheet_that_is_gone_is_passed_over(raw_dir):
    chosen = choose_sheets(CONFIG, raw_dir, raw_dir, SPLITS, MARKED)
    (raw_dir / chosen.parity[0]).unlink()
    assert [name for name, _ in chosen.read(chosen.parity)] == [chosen.parity[1]]
