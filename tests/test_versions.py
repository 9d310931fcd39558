"""Versions on machines whose clock is wrong."""

from pathlib import Path

import pytest
from kedro.io import DataCatalog, Version
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner
from kedro_datasets.json import JSONDataset

from steel_defects.decision.postprocessing import Postprocessing
from steel_defects.errors import SteelDefectsError
from steel_defects.hooks import VersionHooks
from steel_defects.training.__main__ import CatalogFolder

EARLIER, NOW, LATER = (f"2026-11-2{day}T10.00.00.000Z" for day in (6, 7, 8))
MODEL = Node(lambda: {"weights": "new"}, None, "model", name="train")
ANSWER = Node(lambda model: model, "model", "answer", name="ask")


def catalog(folder: Path, version: str = NOW) -> DataCatalog:
    model = JSONDataset(filepath=str(folder / "model.json"), version=Version(None, version))
    return DataCatalog(
        {"model": model, "answer": JSONDataset(filepath=str(folder / "answer.json"))}
    )


def test_a_version_from_the_future_stops_a_run_before_it_begins(tmp_path):
    catalog(tmp_path, LATER).save("model", {"weights": "old"})
    with pytest.raises(SteelDefectsError, match=f"model has version {LATER}.*{NOW}.*a clock is"):
        VersionHooks().before_pipeline_run(Pipeline([MODEL]), catalog(tmp_path))
    # A run that only reads the model has no reason to end.
    VersionHooks().before_pipeline_run(Pipeline([ANSWER]), catalog(tmp_path))


def test_earlier_versions_and_none_are_no_reason_to_end(tmp_path):
    VersionHooks().before_pipeline_run(Pipeline([MODEL, ANSWER]), catalog(tmp_path))
    catalog(tmp_path, EARLIER).save("model", {"weights": "old"})
    VersionHooks().before_pipeline_run(Pipeline([MODEL, ANSWER]), catalog(tmp_path))


def test_what_a_run_saves_it_loads_although_another_run_saves_a_later_version(tmp_path):
    mine = catalog(tmp_path)
    VersionHooks().after_node_run(MODEL, mine)
    SequentialRunner().run(Pipeline([MODEL]), mine)
    catalog(tmp_path, LATER).save("model", {"weights": "another run's"})
    SequentialRunner().run(Pipeline([ANSWER]), mine)
    assert mine.load("answer") == {"weights": "new"}


def test_training_without_kedro_refuses_versions_from_the_future(tmp_path):
    folder = CatalogFolder(tmp_path)
    folder.save_record("06_models", "unet.postprocessing", Postprocessing(classes=()))
    (tmp_path / "07_model_output" / "inspection" / "f00d").mkdir(parents=True)
    (tmp_path / "07_model_output" / "inspection" / "f00d" / "sheets.txt").touch()
    CatalogFolder(tmp_path)
    path = tmp_path / "06_models" / "unet.postprocessing.json"
    (path / folder.version).rename(path / "2999-01-01T00.00.00.000Z")
    with pytest.raises(SteelDefectsError, match=r"version 2999-.*a clock is wrong"):
        CatalogFolder(tmp_path)
