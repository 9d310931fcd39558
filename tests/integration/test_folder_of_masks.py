"""Pictures beside a folder of masks, all of them defective: every pipeline, and a package."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.support.idle_files import empty_files
from tests.support.notebooks import NOTEBOOKS, outputs_of, pictures
from tests.support.projects import Project

from steel_defects.data.config import SampleDataConfig
from steel_defects.data.synthetic import draw_sheet

OPTIONS = "data_engineering.expected_size=null,data_engineering.compare_parts=true"


def write_masks(raw: Path, count: int) -> dict[str, dict[int, int]]:
    """Draw square pictures and their masks; returns the areas, pixels, of each class."""
    config = SampleDataConfig(seed=9, sheets=400, new_sheets=1, width=256, height=256)
    for folder in ("images", "annotations"):
        (raw / folder).mkdir(parents=True)
    areas: dict[str, dict[int, int]] = {}
    for number in range(400):
        sheet = draw_sheet(config, number)
        if not sheet.masks or len(areas) == count:
            continue
        mask = np.zeros(sheet.image.shape, np.uint8)
        for class_id, one in sheet.masks.items():
            mask[one > 0] = class_id
        cv2.imwrite(str(raw / "images" / f"{number}.jpg"), sheet.image)
        cv2.imwrite(str(raw / "annotations" / f"{number}.png"), mask)
        values, counts = np.unique(mask[mask > 0], return_counts=True)
        areas[f"{number}.jpg"] = dict(zip(values.tolist(), counts.tolist(), strict=True))
    return areas


@pytest.fixture(scope="module")
def run(make_project: Callable[[str], Project]) -> tuple[Project, dict[str, dict[int, int]]]:
    """The smallest environment on a folder of masks."""
    project = make_project("test")
    raw = project.data / "01_raw"
    areas = write_masks(raw, 32)
    refused = project.run("--params", f"raw_dir={raw},{OPTIONS}")
    assert "every sheet has a defect" in refused.stderr and "--params backbones=" in refused.stderr
    project.must_run("--params", f"raw_dir={raw},backbones=,{OPTIONS}")
    project.must_run("--pipelines=inspection", "--params", f"sheets_dir={raw / 'images'}")
    return project, areas


def test_areas_are_those_of_the_masks(run) -> None:
    project, areas = run
    table = project.catalog.load("annotations")
    found: dict[str, dict[int, int]] = {}
    for row in table.itertuples():
        found.setdefault(row.sheet_id, {})[row.class_id] = row.area_px
    assert found == areas
    assert project.catalog.load("sheets")["has_defect"].all()


def test_nothing_is_written_of_a_gate(run) -> None:
    data = run[0].data
    written = [file.name for folder in ("06_models", "07_model_output", "08_reporting")
               for file in (data / folder).rglob("*") if file.is_file()]  # fmt: skip
    assert "unet.predictions.parquet" in written
    words = ("gate", "vgg16", "stacking", "classif", "grad_cam", "fpn", "out_of_fold")
    assert [name for name in written if any(word in name for word in words)] == []


def test_nothing_is_saved_that_says_nothing(run) -> None:
    assert empty_files(run[0].data) == []


def test_the_package_works_without_a_gate(run) -> None:
    project, areas = run
    package = json.loads(
        (project.data / "09_release" / "model_package" / "package.json").read_text(encoding="utf-8")
    )
    assert package["gate"] is None
    verdicts = project.catalog.load("verdicts")
    assert len(verdicts) == len(areas)
    assert verdicts["gate_score"].isna().all()


@pytest.mark.parametrize("name", ["model_mistakes", "own_data"])
def test_a_notebook_runs_without_a_gate(name: str, run) -> None:
    [path] = [path for path in NOTEBOOKS if path.stem == name]
    assert pictures(outputs_of(path, run[0]))


def test_the_report_says_that_there_is_no_gate(run) -> None:
    report = (run[0].data / "08_reporting" / "report.html").read_text(encoding="utf-8")
    assert "There is no gate" in report
    assert "What a lookup of the nearest training sheet scores" in report
