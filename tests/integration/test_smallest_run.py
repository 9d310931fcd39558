"""The ``test`` environment, from drawn sheets to verdicts, twice with one seed."""

import json
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from kedro.framework.project import pipelines
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.runner import SequentialRunner
from tests.support.idle_files import empty_files
from tests.support.projects import Project

from steel_defects.package.folder import read_package
from steel_defects.tables.columns import TIME_COLUMNS

ROOT = Path(__file__).parents[2]
#: The backbones of conf/base.
TRAINED = ("resnet50", "vgg16", "efficientnet_b0", "mobilenet_v2")
VERSION = r"\d{4}-\d\d-\d\dT[\d.]+Z"


@pytest.fixture(scope="module")
def catalogs(runs: list[Project]) -> list[DataCatalog]:
    """What both runs left behind."""
    return [project.catalog for project in runs]


@pytest.mark.parametrize(
    "name",
    ["sheets", "annotations", "splits", "tiles", "unet.predictions", "class_comparison"]
    + [f"{backbone}.sheet_scores" for backbone in TRAINED],
)
def test_one_seed_gives_the_same_table_twice(catalogs: list[DataCatalog], name: str) -> None:
    first, second = (catalog.load(name) for catalog in catalogs)
    pd.testing.assert_frame_equal(first, second, check_exact=True)


@pytest.mark.parametrize("name", ["classification_comparison", "segmentation_comparison"])
def test_comparisons_differ_in_times_alone(catalogs: list[DataCatalog], name: str) -> None:
    tables = [catalog.load(name) for catalog in catalogs]
    first, second = (table.drop(columns=list(TIME_COLUMNS), errors="ignore") for table in tables)
    pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_two_runs_make_one_package(runs: list[Project]) -> None:
    places = [project.data / "09_release" / "model_package" for project in runs]
    first, second = map(read_package, places)
    assert first.model_id == second.model_id
    differing = {"files": {}, "version": ""}
    manifests = [one.manifest.model_copy(update=differing) for one in (first, second)]
    assert manifests[0] == manifests[1]


def test_docs_name_every_column_that_differs(runs: list[Project]) -> None:
    docs = (ROOT / "docs" / "how-to" / "ci.md").read_text(encoding="utf-8")
    first, second = (
        {re.sub(VERSION, "", str(path.relative_to(project.data))): path for path in files}
        for project in runs
        if (files := [*project.data.rglob("*.parquet"), *project.data.rglob("*.csv")])
    )
    names = sorted(first.keys() & second.keys())
    differing = set()
    for one, other in ((_loaded(first[name]), _loaded(second[name])) for name in names):
        differing |= {c for c in one if list(map(repr, one[c])) != list(map(repr, other[c]))}
    assert len(names) > 50
    assert {"seconds", "modified_ns", "training_seconds"} <= differing
    assert [name for name in differing if f"`{name}`" not in docs] == []


def _loaded(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


def test_every_sheet_is_scored_by_every_backbone(catalogs: list[DataCatalog]) -> None:
    catalog = catalogs[0]
    sheets = set(catalog.load("sheets")["sheet_id"])
    for backbone in TRAINED:
        assert set(catalog.load(f"{backbone}.sheet_scores")["sheet_id"]) == sheets


def test_inspection_judges_every_new_sheet(catalogs: list[DataCatalog]) -> None:
    catalog = catalogs[0]
    verdicts, submission = catalog.load("verdicts"), catalog.load("submission")
    new_sheets = list(catalog.load("new_sheets"))
    assert verdicts["sheet_id"].tolist() == new_sheets
    assert len(submission) == 4 * len(new_sheets)
    assert list(submission.columns) == ["ImageId_ClassId", "EncodedPixels"]


def test_the_run_is_recorded(runs: list[Project]) -> None:
    record = json.loads((runs[1].data / "08_reporting" / "run.json").read_text(encoding="utf-8"))
    assert record["status"] == "finished"
    assert record["environment"] == "test"
    assert record["parameters"]["classification"]["seed"] == 3
    assert record["data_fingerprint"]
    assert {row["backbone"] for row in record["metrics"]["classification_comparison"]} == set(
        TRAINED
    )


def test_nothing_is_saved_that_says_nothing(runs: list[Project]) -> None:
    assert empty_files(runs[0].data) == []


def test_the_report_stands_alone(runs: list[Project]) -> None:
    report = (runs[0].data / "08_reporting" / "report.html").read_text(encoding="utf-8")
    assert "<html" in report
    assert 'src="http' not in report
    assert 'href="http' not in report


def test_a_pipeline_runs_alone_from_what_the_catalog_holds(copied_run: Project) -> None:
    report = copied_run.data / "08_reporting" / "report.html"
    report.unlink()
    copied_run.must_run("--pipelines=reporting")
    assert report.is_file()


def test_models_of_earlier_runs_take_part_while_they_fit(
    copied_run: Project,
) -> None:
    project = copied_run
    earlier = project.catalog.load("chosen_segmenter")
    assert earlier.name == "unet"
    project.must_run(
        "--pipelines=segmentation,reporting", "--params=architectures=fpn,segmenter=unet"
    )
    catalog = project.catalog
    assert catalog.load("segmentation_comparison")["architecture"].tolist() == ["fpn", "unet"]
    chosen = catalog.load("chosen_segmenter")
    assert (chosen.name, chosen.version) == (earlier.name, earlier.version)
    assert len(catalog.load("unet.predictions"))
    assert "unet" in catalog.load("report")
    package = json.loads(
        (project.data / "09_release/model_package/package.json").read_text(encoding="utf-8")
    )
    assert package["segmenter"]["name"] == "unet"
    project.must_run("--pipelines=inspection")

    splits = catalog.load("splits")
    moved = splits.index[splits["split"] == "calibration"][0]
    catalog.save("splits", splits.assign(split=splits["split"].mask(splits.index == moved, "test")))
    project.must_run("--pipelines=segmentation", "--params=architectures=deeplab_v3_plus")
    catalog = project.catalog
    selection = catalog.load("segmenter_selection")
    assert set(selection.candidates) == {"deeplab_v3_plus"} and selection.excluded == {
        "unet": "made from other splits", "fpn": "made from other splits",
    }  # fmt: skip
    architectures = catalog.load("segmentation_comparison")["architecture"]
    assert architectures.tolist() == ["deeplab_v3_plus"]


def test_a_model_that_was_never_trained_is_refused_before_anything_runs(
    small_run: Project,
) -> None:
    done = small_run.run("--pipelines=segmentation", "--params=segmenter=unet_vgg16")
    assert done.returncode == 1
    assert "segmenter is unet_vgg16, which was never trained" in done.stderr
    assert " is done, " not in done.stdout


def test_a_rerun_runs_what_changed_and_records_what_it_made(copied_run: Project) -> None:
    done = copied_run.run("--only-missing-outputs")
    assert "nodes are up to date" in done.stdout
    done = copied_run.run("--only-missing-outputs", "--params=reporting.overlays=9")
    assert "from these on: " in done.stdout and "choose_overlays (reporting)" in done.stdout
    record = json.loads((copied_run.data / "08_reporting" / "run.json").read_text(encoding="utf-8"))
    assert "report" in record["made"] and "unet.segmenter" not in record["made"]
    assert record["metrics"] == {}
    newest = pd.read_parquet(copied_run.data / "newest" / "unet.predictions.parquet")
    assert len(newest) == len(copied_run.catalog.load("unet.predictions"))


def test_shards_at_once_leave_whole_tables(copied_run: Project) -> None:
    project = copied_run
    new_sheets = list(project.catalog.load("new_sheets"))

    def inspect(shard: int) -> None:
        share = f"inspection.part_sheets=2,inspection.shards=2,inspection.shard={shard}"
        project.must_run("--pipelines=inspection", f"--params={share}")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(inspect, (1, 2)))
    catalog = project.catalog
    assert catalog.load("inspection_summary")["complete"]
    assert catalog.load("verdicts")["sheet_id"].tolist() == new_sheets
    assert len(catalog.load("submission")) == 4 * len(new_sheets)
    pictures = project.data / "08_reporting" / "inspection_overlays"
    assert len(list(pictures.glob("*.jpg"))) == len(new_sheets)


# What is made of scores, masks and tables without a network, before the report.
MEASURING = (
    *("tile_sheets", "report_quality", "measure_leakage", "find_oddest_sheets", "calibrate"),
    *("draw_oddest_sheets", "choose_operating_point", "compare_classifiers", "select_gate"),
    *("score_by_gate", "stack_with_gate", "compare_segmenters", "select_segmenter"),
    *("record_gate", "record_segmenter"),
)


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (lambda s: ~(s["test"] & s["has_defect"]), "No test sheet has a defect"),
        (lambda s: ~(s["test"] & ~s["has_defect"] | s["scale"]), "No test sheet is clean"),
        (lambda s: ~(s["test"] | (s["split"] == "calibration")), "There is no test sheet"),
        (lambda s: ~s["has_defect"], "No test sheet has a defect"),
        (lambda s: s.index == s.index[s["test"] & s["has_defect"]][0], "No test sheet is clean"),
    ],
    ids=["no defective test sheet", "no clean test sheet and a class that is nowhere",
         "no test and no calibration sheet", "no annotation", "one sheet"],
)  # fmt: skip
def test_the_report_says_which_sheets_are_missing(
    copied_run: Project, kept: Callable[[pd.DataFrame], pd.Series], words: str
) -> None:
    project = copied_run
    sheets, splits, annotations = map(project.catalog.load, ("sheets", "splits", "annotations"))
    sheets = sheets.merge(splits[["sheet_id", "split"]], on="sheet_id")
    scale = set(annotations.loc[annotations["class_id"] == 4, "sheet_id"])
    sheets = sheets.assign(test=sheets["split"] == "test", scale=sheets["sheet_id"].isin(scale))
    ids = set(sheets.loc[kept(sheets), "sheet_id"])
    assert 0 < len(ids) < len(sheets)
    for file in filter(Path.is_file, project.data.rglob("*.parquet")):
        table = pd.read_parquet(file)
        if "sheet_id" in table:
            table[table["sheet_id"].isin(ids)].reset_index(drop=True).to_parquet(file)
    catalog = project.catalog
    # The masks were made behind the gate of the whole data; fewer sheets could choose another.
    catalog["params:gate"] = catalog.load("chosen_gate").name
    nodes = [n for n in pipelines["__default__"].nodes if n.name.rsplit(".")[-1] in MEASURING]
    SequentialRunner().run(Pipeline(nodes) + pipelines["reporting"], catalog)
    assert words in catalog.load("report")


def test_clean_sheets_alone_run_through(
    small_run: Project, make_project: Callable[[str], Project]
) -> None:
    project = make_project("test")
    raw = project.conf.parent / "raw"
    shutil.copytree(small_run.data / "01_raw", raw)
    labels = pd.read_csv(raw / "train.csv")
    for name in labels["ImageId"].unique():
        (raw / "train_images" / name).unlink()
    labels.head(0).to_csv(raw / "train.csv", index=False)
    project.must_run(f"--params=raw_dir={raw},backbones=")
    catalog = project.catalog
    assert len(catalog.load("sheets")) == 12
    assert "No test sheet has a defect" in catalog.load("report")
