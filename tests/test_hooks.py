"""What happens around runs."""

import errno
import os
import shutil
from pathlib import Path

import pytest
from kedro.framework.session import KedroSession
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline
from kedro_datasets.json import JSONDataset
from tests.support.run_params import run_params

from steel_defects import run_record
from steel_defects.datasets.models import ModelPackageDataset
from steel_defects.errors import SteelDefectsError
from steel_defects.hooks import InputHooks, RunnerHooks, TargetHooks
from steel_defects.run_record import RUN_RECORD, RunRecordHooks

ROOT = Path(__file__).parents[1]


def record_of(folder: Path, parameters: object = None) -> DataCatalog:
    """A catalog with the record of the latest run, and parameters."""
    file = JSONDataset(filepath=str(folder / "run.json"))
    return DataCatalog({RUN_RECORD: file, "parameters": MemoryDataset(parameters or {})})


def test_a_full_disk_does_not_hide_the_error_of_a_run(tmp_path, monkeypatch):
    def full(record: dict, catalog: DataCatalog) -> None:
        written.append(record)
        if len(written) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    written: list[dict] = []
    monkeypatch.setattr(run_record, "_write", full)
    hooks, catalog = RunRecordHooks(), record_of(tmp_path)
    hooks.before_pipeline_run(run_params("1"), catalog)
    hooks.on_pipeline_error(RuntimeError("what went wrong"), run_params("1"), catalog)
    assert written[1]["error"] == "what went wrong"
    assert written[1]["status"] == "failed"


def test_two_runs_in_one_process_keep_their_records_apart(tmp_path):
    hooks, one, other = RunRecordHooks(), *(record_of(tmp_path / name, name) for name in "ab")
    hooks.before_pipeline_run(run_params("1"), one)
    hooks.before_pipeline_run(run_params("2"), other)
    hooks.on_pipeline_error(RuntimeError("no room"), run_params("2"), other)
    hooks.after_pipeline_run(run_params("1"), one)
    for run_id, catalog, status, name in (("1", one, "finished", "a"), ("2", other, "failed", "b")):
        record = catalog.load(RUN_RECORD)
        assert (record["run_id"], record["status"]) == (run_id, status)
        assert record["parameters"] == name


@pytest.mark.parametrize("runner", ["ThreadRunner", "kedro.runner.ParallelRunner"])
def test_runners_that_would_train_networks_beside_each_other_are_refused(runner):
    with pytest.raises(SteelDefectsError, match="Runner would train networks beside each other"):
        RunnerHooks().before_pipeline_run(run_params("1", runner))
    RunnerHooks().before_pipeline_run(run_params("1"))


def test_a_path_given_as_a_number_is_refused_in_one_line():
    session = KedroSession.create(ROOT, env="test", runtime_params={"sheets_dir": 45612})
    with pytest.raises(SteelDefectsError, match="sheets_dir must be a path: put 45612 in quotes"):
        session.load_context()


def test_an_unsupported_backend_ends_a_run_before_it_begins(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    session = KedroSession.create(ROOT, env="test")
    with pytest.raises(SteelDefectsError, match="KERAS_BACKEND=torch is not supported"):
        session.load_context()


@pytest.mark.parametrize("folder", ["data[1]", "data*", "wh?t"])
def test_a_path_where_kedro_finds_no_versions_is_refused_before_the_run(tmp_path, folder):
    path = str(tmp_path / folder / "model.json")
    pipeline = Pipeline([Node(lambda: 1, None, "model", name="train")])
    entry = {"type": "json.JSONDataset", "filepath": path}
    InputHooks().before_pipeline_run(
        run_params("1"), pipeline, DataCatalog.from_config({"model": entry})
    )
    catalog = DataCatalog.from_config({"model": entry | {"versioned": True}})
    with pytest.raises(SteelDefectsError, match="for a pattern.* change data_root") as caught:
        InputHooks().before_pipeline_run(run_params("1"), pipeline, catalog)
    assert folder in str(caught.value)


def test_a_project_where_kedro_finds_no_configuration_is_refused(tmp_path):
    conf = tmp_path / "conf[1]"
    shutil.copytree(ROOT / "conf", conf)
    session = KedroSession.create(ROOT, env="test", conf_source=str(conf))
    with pytest.raises(SteelDefectsError, match=r"takes .*conf\[1\] for a pattern"):
        session.load_context()


IMAGES = "steel_defects.datasets.image_folder.ImageFolderDataset"
PACKAGE = "steel_defects.datasets.models.ModelPackageDataset"


def checked_target(folder: Path, entry: dict) -> None:
    """Look at the place of a dataset that a pipeline makes, as a run does before its first node."""
    entry = entry | {"filepath": str(folder / entry["filepath"])}
    record = {"type": "json.JSONDataset", "filepath": str(folder / "run.json")}
    catalog = DataCatalog.from_config({"made": entry, RUN_RECORD: record})
    pipeline = Pipeline([Node(lambda: 1, None, "made", name="make")])
    TargetHooks().before_pipeline_run(pipeline, catalog)


@pytest.mark.parametrize(
    ("entry", "in_the_way", "message"),
    [
        ({"type": "json.JSONDataset", "filepath": "a/b/t.json"}, "a", "a is no folder"),
        ({"type": "json.JSONDataset", "filepath": "t.json"}, "t.json/x", "t.json is no file"),
        (
            {"type": "json.JSONDataset", "filepath": "t.json", "versioned": True},
            *("t.json", "t.json is no folder"),
        ),
        ({"type": PACKAGE, "filepath": "package"}, "package", "package is no folder"),
        ({"type": IMAGES, "filepath": "drawn"}, "drawn", "drawn is no folder"),
        ({"type": IMAGES, "filepath": "drawn"}, "drawn/mine.png", "were not made here"),
    ],
)
def test_a_place_that_cannot_be_written_ends_a_run_before_it_begins(
    tmp_path, entry, in_the_way, message
):
    checked_target(tmp_path, entry)
    (tmp_path / in_the_way).parent.mkdir(exist_ok=True)
    (tmp_path / in_the_way).write_bytes(b"")
    with pytest.raises(SteelDefectsError, match=message):
        checked_target(tmp_path, entry)


def test_a_place_without_the_right_to_write_ends_a_run_before_it_begins(tmp_path, monkeypatch):
    locked = tmp_path / "locked"
    locked.mkdir()
    # Root may write everywhere, so the answer is made up.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != locked)
    with pytest.raises(SteelDefectsError, match=r"locked is not writable; change its permissions"):
        checked_target(locked, {"type": PACKAGE, "filepath": "package"})


def test_links_and_folders_with_what_drives_put_there_are_written(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "lost+found").mkdir()
    (tmp_path / "drawn").symlink_to(tmp_path / "elsewhere")
    for kind in (IMAGES, PACKAGE):
        checked_target(tmp_path, {"type": kind, "filepath": "drawn"})


@pytest.mark.parametrize("there", [True, False])
def test_a_package_that_is_missing_is_answered_with_those_that_there_are(package, tmp_path, there):
    project, place = tmp_path / "project", tmp_path / "absent"
    for name in ("models/mine", "data/mine/09_release/model_package") if there else ():
        shutil.copytree(package.folder, project / name)
    (project / "models/empty").mkdir(parents=True)
    asked = run_params("1") | {"project_path": str(project)}
    package_there = ModelPackageDataset(filepath=str(place))
    catalog = DataCatalog({"inspection_package": package_there, "verdicts": MemoryDataset()})
    pipeline = Pipeline([Node(lambda one: one, "inspection_package", "verdicts", name="judge")])
    with pytest.raises(SteelDefectsError) as error:
        InputHooks().before_pipeline_run(asked, pipeline, catalog)
    names = "are models/mine, data/mine/09_release/model_package" if there else "are none elsewhere"
    assert str(error.value) == (
        f"inspection_package is missing: there is none at {place}; there {names}; give a package "
        "with --params models_dir=PATH, or run the pipelines classification and segmentation first"
    )
