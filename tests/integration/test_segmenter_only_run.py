"""A whole run with a second folder, next to one without it."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from tests.support.projects import Project
from tests.support.second_folder import draw_second

from steel_defects.data.config import SampleDataConfig
from steel_defects.images.folder import SheetFolder
from steel_defects.package.folder import read_package
from steel_defects.package.learned import learned_by
from steel_defects.tables.columns import SEGMENTER_ONLY, TIME_COLUMNS

GATE = "mobilenet_v2"
DRAWN = SampleDataConfig(seed=99, sheets=12, new_sheets=1, width=512, height=128)


@pytest.fixture(scope="module")
def second_run(small_run: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The small run again, with a folder that has copies of a test and of a training sheet."""
    folder = tmp_path_factory.mktemp("second_run")
    project = Project("test", folder, GATE)
    shutil.copytree(small_run.data, project.data)
    sheets = small_run.catalog.load("raw_sheets")
    first = small_run.catalog.load("splits").groupby("split")["sheet_id"].first()
    like = {f"like_{name}.jpg": sheets[first[name]] for name in ("test", "train")}
    draw_second(folder / "more", DRAWN, like)
    project.must_run(
        f"--params=data_engineering.segmenter_only={folder / 'more'},"
        "segmenter_cross_validation.architectures=[unet]"
    )
    return project


def second_of(project: Project) -> SheetFolder:
    return SheetFolder(project.data.parent / "more")


@pytest.mark.parametrize("name", ["classifier_outputs", "sheet_scores"])
def test_the_gate_is_the_same(small_run: Project, second_run: Project, name: str) -> None:
    before, after = (one.catalog.load(f"{GATE}.{name}") for one in (small_run, second_run))
    pd.testing.assert_frame_equal(before, after, check_exact=True)


def test_so_is_what_it_looks_at(small_run: Project, second_run: Project) -> None:
    before, after = (one.catalog.load("heat_maps") for one in (small_run, second_run))
    pd.testing.assert_frame_equal(before, after, check_exact=True)


@pytest.mark.parametrize("name", ["calibration", "operating_point", "trained_gate"])
def test_so_are_its_thresholds(small_run: Project, second_run: Project, name: str) -> None:
    before, after = (one.catalog.load(f"{GATE}.{name}") for one in (small_run, second_run))
    assert before == after


def test_so_are_its_figures_and_what_the_package_refers_to(
    small_run: Project, second_run: Project
) -> None:
    tables = [one.catalog.load("classification_comparison") for one in (small_run, second_run)]
    before, after = (table.drop(columns=list(TIME_COLUMNS), errors="ignore") for table in tables)
    pd.testing.assert_frame_equal(before, after, check_exact=True)
    old, new = (
        read_package(one.data / "09_release" / "model_package").manifest
        for one in (small_run, second_run)
    )
    assert new.reference == old.reference
    assert new.learned == old.learned
    assert new.networks["gate"] == old.networks["gate"]
    assert new.networks["segmenter"] != old.networks["segmenter"]


def test_nothing_is_predicted_or_measured_on_them(second_run: Project) -> None:
    catalog = second_run.catalog
    names = (
        *("unet.predictions", "unet.out_of_fold_predictions", "gate_scores", "evaluated_pairs"),
        *("overlay_selection", "oddest_sheets", "split_assignments"),
    )
    for name in names:
        assert SEGMENTER_ONLY not in catalog.load(name).to_csv(), name
    crossed = catalog.load("unet.out_of_fold_predictions")
    splits = catalog.load("splits")
    assert set(crossed["sheet_id"]) == set(
        splits.loc[splits["split"] != SEGMENTER_ONLY, "sheet_id"]
    )


def test_package_and_record_know_of_them(second_run: Project) -> None:
    catalog, second = second_run.catalog, second_of(second_run)
    sheets = catalog.load("sheets").set_index("sheet_id")["sha256"]
    package = read_package(second_run.data / "09_release" / "model_package")
    learned = learned_by(package)
    known = {name: sheets[f"segmenter_only/{name}"][:16] in learned for name in second.sheet_ids}
    assert [name for name, there in known.items() if not there] == ["like_test.jpg"]
    path = second_run.data / "08_reporting" / "run.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["data_fingerprint"] == package.manifest.data_fingerprint
    assert record["parameters"]["data_engineering"]["segmenter_only"] == str(second.root)


def test_the_report_counts_them(second_run: Project) -> None:
    quality = second_run.catalog.load("data_quality")
    second, count = quality["segmenter_only"], len(second_of(second_run))
    assert (second["sheets"], second["left_out_of_the_final_segmenter"]) == (count, 1)
    assert second["left_out_of_some_folds"] == 2
    assert {row["split"] for row in quality["splits"]} <= {
        *("train", "validation", "calibration", "test")
    }
    leakage = second_run.catalog.load("leakage").set_index("division")
    assert leakage.loc["by group, with segmenter_only", "copies"].sum() == 0
    report = (second_run.data / "08_reporting" / "report.html").read_text(encoding="utf-8")
    assert "like_test.jpg" in report


def test_later_runs_find_the_folder_by_the_tables(second_run: Project, tmp_path: Path) -> None:
    project = Project("test", tmp_path / "run", GATE)
    shutil.copytree(second_run.data, project.data)
    shutil.copytree(second_run.data.parent / "more", tmp_path / "run" / "more")
    # As on another machine: both folders were copied, the one beside the other.
    again = ("--pipelines=segmentation", "--nodes=unet.train_segmenter")
    project.must_run(*again)
    shutil.move(tmp_path / "run" / "more", tmp_path / "elsewhere")
    done = project.run("--pipelines=classification,segmentation")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "pictures for segmenters alone are missing, such as " in line
    assert str(tmp_path / "run" / "more") in line
    # Without it, the tables are those of before.
    project.must_run("--pipelines=data_engineering")
    assert not (project.catalog.load("splits")["split"] == SEGMENTER_ONLY).any()


def test_a_folder_that_is_not_there_is_told_before_anything_runs(copied_run: Project) -> None:
    place = copied_run.data / "nowhere"
    asked = f"--params=data_engineering.segmenter_only={place}"
    done = copied_run.run("--pipelines=data_engineering", asked)
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: segmenter_only_")
    assert f"there is no folder {place}; give the folder of the sheets for segmenters" in line
