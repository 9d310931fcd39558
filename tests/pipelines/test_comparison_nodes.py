"""An earlier version, as files on disk, beside the tables of now."""

import os
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline
from tests.datasets.test_model_versions import save
from tests.support.data import Data
from tests.support.operating_points import operating_point

from steel_defects import tables as schemas
from steel_defects.datasets.model_versions import ModelVersions, ModelVersionsDataset
from steel_defects.decision.operating_point import OperatingPointConfig
from steel_defects.errors import SteelDefectsError
from steel_defects.hooks import ComparisonHooks
from steel_defects.pipeline_registry import create_pipelines
from steel_defects.pipelines.reporting import comparison_nodes as nodes
from steel_defects.selection import EVERYTHING
from steel_defects.tables.declared import LABEL_CORRECTIONS

FIRST, SECOND, THIRD, LAST = (f"2026-01-0{day}T00.00.00.000Z" for day in (1, 2, 3, 4))
TARGETS = OperatingPointConfig(target_recall=0.9, target_false_positive_rate=0.1)
GATE, SEGMENTER = (SimpleNamespace(name=n, version=THIRD) for n in ("vgg16", "unet"))
POINT = operating_point(lower_threshold=0.5, target_recall=0.9).model_dump(mode="json")


def scores(data: Data, wrong: int) -> pd.DataFrame:
    """Right answers, but on the first sheets."""
    table = data.sheets[["sheet_id", "has_defect"]].copy()
    right = np.where(table["has_defect"], 0.9, 0.1)
    right[:wrong] = 1 - right[:wrong]
    return table.assign(
        split="test", repeat=None, fold=None, output=right, score=right, threshold=0.5
    ).astype({"repeat": "Int64", "fold": "Int64"})


def masks(data: Data, found: bool) -> pd.DataFrame:
    truth = data.annotations.set_index(["sheet_id", "class_id"])["rle"].to_dict()
    rows = [
        (sheet_id, k, truth.get((sheet_id, k), "") if found else "")
        for sheet_id in data.sheets["sheet_id"]
        for k in range(1, 5)
    ]
    table = pd.DataFrame(rows, columns=["sheet_id", "class_id", "rle"]).assign(
        split="test", repeat=None, fold=None, area_px=0, score=0.5
    )
    return table.astype({"repeat": "Int64", "fold": "Int64"})


@pytest.fixture(scope="module")
def dataset(data: Data, tmp_path_factory: pytest.TempPathFactory) -> ModelVersionsDataset:
    """The gate was trained in the first and third run, the segmenter in the second and third."""
    folder = tmp_path_factory.mktemp("versions")
    for version, wrong in ((FIRST, 4), (THIRD, 1)):
        save(folder, "vgg16.sheet_scores.parquet", version, scores(data, wrong))
        save(folder, "vgg16.operating_point.json", version, POINT)
    for version, found in ((SECOND, False), (THIRD, True)):
        save(folder, "unet.predictions.parquet", version, masks(data, found))
        save(folder, "unet.stacking.json", version, {"stacked": None})
    return ModelVersionsDataset(filepath=str(folder), tables=["*.parquet", "*.json"])


def compare(data: Data, versions: ModelVersions, asked: str):
    return nodes.compare_with_earlier(
        versions,
        asked,
        SEGMENTER,
        data.sheets,
        data.annotations,
        data.splits,
        LABEL_CORRECTIONS.empty(),
        TARGETS,
        GATE,
    )


def test_each_table_is_that_in_use_at_the_version(data: Data, dataset):
    figures, changed = compare(data, dataset.load(), "previous")
    schemas.run_comparison.validate(figures)
    schemas.changed_verdicts.validate(changed)
    assert figures["compared_with"].unique().tolist() == [SECOND]
    used = figures.groupby("part")[["model", "version"]].first().to_dict("index")
    assert used == {
        "gate": {"model": "vgg16", "version": FIRST},
        "segmenter": {"model": "unet", "version": SECOND},
        "verdicts": {"model": "vgg16 and unet", "version": SECOND},
    }
    row = figures[(figures["part"] == "gate") & (figures["metric"] == "accuracy")].iloc[0]
    assert (row["before"], row["after"]) == (12 / 16, 15 / 16)
    assert changed["better"].all()
    figure = nodes.draw_changed_verdicts(changed, data.folder, data.sheets, data.annotations)
    captions = [axes.get_title(loc="left") for axes in figure.axes]
    assert captions[0].startswith(f"1  {changed['sheet_id'][0]}: labelled ")


def test_a_model_of_which_there_was_no_version_is_left_out(data: Data, dataset):
    figures, _ = compare(data, dataset.load(), FIRST)
    assert figures["part"].unique().tolist() == ["gate", "verdicts"]
    assert figures["model"].unique().tolist() == ["vgg16"]


@pytest.mark.parametrize("renamed", [False, True])
def test_other_sheets_are_counted_or_refused(data: Data, dataset, tmp_path, caplog, renamed):
    shutil.copytree(dataset.load().folder, tmp_path, dirs_exist_ok=True)
    rows, now = scores(data, 1), data.sheets["sheet_id"].iloc[8:]
    part = rows[rows["sheet_id"].isin(now)].assign(sheet_id="new_" + now if renamed else now)
    save(tmp_path, "vgg16.sheet_scores.parquet", LAST, part)
    save(tmp_path, "unet.predictions.parquet", LAST, masks(data, True).iloc[:0])
    versions = ModelVersions(tmp_path, ["*.parquet", "*.json"])
    gate = SimpleNamespace(name="vgg16", version=LAST)
    tables = data.sheets, data.annotations, data.splits, LABEL_CORRECTIONS.empty()
    given = (versions, FIRST, SEGMENTER, *tables, TARGETS, gate)
    if renamed:
        with pytest.raises(SteelDefectsError, match=f"cannot compare with {FIRST}: .* 0 sheet"):
            nodes.compare_with_earlier(*given)
    else:
        nodes.compare_with_earlier(*given)
        assert f"the gate of {FIRST} and now have 8 sheets (test) in common; 8" in caplog.text


def test_a_table_of_another_release_is_refused(data: Data, tmp_path):
    save(tmp_path, "vgg16.sheet_scores.parquet", FIRST, scores(data, 0).drop(columns="threshold"))
    save(tmp_path, "vgg16.sheet_scores.parquet", SECOND, scores(data, 0))
    with pytest.raises(SteelDefectsError, match="vgg16.sheet_scores of .* lacks threshold"):
        compare(data, ModelVersions(tmp_path, ["*.parquet"]), FIRST)


def test_two_versions_are_compared_in_a_notebook(data: Data, dataset):
    loaded = {
        "earlier_versions": dataset.load(), "chosen_gate": GATE,
        "chosen_segmenter": SEGMENTER, "sheets": data.sheets,
        "annotations": data.annotations, "splits": data.splits,
        "params:operating_point": TARGETS.model_dump(),
    }  # fmt: skip
    catalog = SimpleNamespace(load=loaded.get, exists=loaded.__contains__)
    expected = compare(data, dataset.load(), "previous")
    for found, table in zip(nodes.compare_versions(catalog), expected, strict=True):
        pd.testing.assert_frame_equal(found, table)
    figures, changed = nodes.compare_versions(catalog, FIRST, SECOND)
    assert figures["difference"].eq(0).all() and changed.empty


@pytest.mark.parametrize("asked", [None, "previous", FIRST])
def test_a_run_starts_where_the_version_is_there(dataset, asked):
    _start(create_pipelines(EVERYTHING)["reporting"], dataset, asked)


def test_a_wrong_version_is_refused_before_anything_runs(dataset):
    with pytest.raises(SteelDefectsError, match=f"no version 2025 .* there are {FIRST}, "):
        _start(create_pipelines(EVERYTHING)["reporting"], dataset, "2025")
    _start(Pipeline([]), dataset, "2025")  # which compares nothing


def _start(pipeline: Pipeline, dataset: ModelVersionsDataset, asked: str | None) -> None:
    catalog = DataCatalog({"earlier_versions": dataset, "params:compare": MemoryDataset(asked)})
    ComparisonHooks().before_pipeline_run(pipeline, catalog)


def test_it_says_how_many_test_labels_people_changed_since_then(data: Data, dataset, tmp_path):
    """Of the run that merged the labels none, whatever it is called: it learned from them."""
    folder = tmp_path / "versions"
    shutil.copytree(dataset.load().folder, folder)
    merged = 1_800_000_000
    for path in folder.rglob("*.*"):
        later = merged + (3600 if path.parent.name == SECOND else -3600)
        if path.is_file():
            os.utime(path, (later, later))
    ids = data.sheets["sheet_id"][:5].tolist()
    moment = pd.Timestamp(merged, unit="s", tz="UTC")
    corrections = LABEL_CORRECTIONS.typed(
        (sheet_id, "corrections/b", moment, True, 9, 8, 0.5, sheet_id != ids[4], "0" * 16, moment)
        for sheet_id in ids
    )
    test = data.splits["sheet_id"].isin(ids[:2])
    splits = data.splits.assign(split=np.where(test, "test", "train"))
    versions = ModelVersions(folder, ["*.parquet", "*.json"])

    def changed_labels(version: str) -> list[int]:
        figures, _ = nodes.compare_with_earlier(
            versions, version, SEGMENTER, data.sheets, data.annotations, splits,
            corrections, TARGETS, GATE,
        )  # fmt: skip
        return figures["changed_labels"].unique().tolist()

    assert changed_labels(FIRST) == [2]
    assert changed_labels(SECOND) == [0]
