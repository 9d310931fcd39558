"""Two runs at once: who may write, and what a run's record says on a full disk."""

import json
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline
from kedro_datasets.json import JSONDataset
from tests.support.run_params import run_params

from steel_defects import locks, run_record
from steel_defects.errors import SteelDefectsError
from steel_defects.hooks import OutputLockHooks
from steel_defects.locks import lock_all
from steel_defects.run_record import RUN_RECORD, RunRecordHooks


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(locks, "_BETWEEN_TRIES", 0.01)


# === Locks ===


def test_a_second_process_waits_and_then_goes_on(tmp_path, caplog):
    path, done = tmp_path / "verdicts.lock", threading.Event()
    first = lock_all([path])

    def second() -> None:
        lock_all([path]).close()
        done.set()

    thread = threading.Thread(target=second)
    thread.start()
    assert not done.wait(0.2)
    first.close()
    thread.join()
    assert done.is_set()
    assert caplog.text.count("is writing verdicts; this one waits") == 1


def test_a_second_process_gives_up_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "_LONGEST_WAIT", 0)
    paths = [tmp_path / "defects.lock", tmp_path / "verdicts.lock"]
    with lock_all(paths[1:]), pytest.raises(SteelDefectsError, match=r"process \d+.*verdicts; let"):
        lock_all(paths)
    # What it had locked before is free again.
    lock_all(paths).close()


# === Hooks ===


def pipeline() -> Pipeline:
    return Pipeline([Node(lambda: 1, None, "verdicts", name="a")])


def catalog(folder: Path) -> DataCatalog:
    record = JSONDataset(filepath=str(folder / "08_reporting/run.json"))
    parameters = MemoryDataset({"epochs": list(range(500))})
    return DataCatalog({RUN_RECORD: record, "parameters": parameters})


def begin(hook: OutputLockHooks, folder: Path, run_id: str) -> None:
    hook.before_pipeline_run(run_params(run_id), pipeline(), catalog(folder))


def test_runs_write_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "_LONGEST_WAIT", 0)
    first, second = OutputLockHooks(), OutputLockHooks()
    begin(first, tmp_path, "1")
    begin(second, tmp_path, "2")
    first.after_node_run("1")
    first.after_node_run("1")
    with pytest.raises(SteelDefectsError, match="is writing verdicts"):
        second.after_node_run("2")
    first.after_pipeline_run(run_params("1"))
    second.after_node_run("2")
    second.on_pipeline_error(run_params("2"))
    begin(first, tmp_path, "3")
    first.after_node_run("3")
    first.after_pipeline_run(run_params("3"))


def test_runs_of_other_environments_do_not_wait(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "_LONGEST_WAIT", 0)
    hook = OutputLockHooks()
    for name in ("one", "other"):
        begin(hook, tmp_path / name, name)
        hook.after_node_run(name)
    for name in ("one", "other"):
        hook.after_pipeline_run(run_params(name))


# === The record on a full disk ===


@contextmanager
def full_disk(path: Path):
    raise OSError(28, "No space left on device", str(path))
    yield


def test_the_record_says_on_a_full_disk_that_the_run_failed(tmp_path, monkeypatch):
    hook, there = RunRecordHooks(), catalog(tmp_path)
    hook.before_pipeline_run(run_params("1"), there)
    paths = [tmp_path / "08_reporting" / name for name in ("run.json", "runs/1.json")]
    assert [json.loads(path.read_text(encoding="utf-8"))["status"] for path in paths] == [
        "running"
    ] * 2
    sizes = [path.stat().st_size for path in paths]

    monkeypatch.setattr(run_record, "replaced", full_disk)
    hook.on_pipeline_error(OSError(28, "No space left on device"), run_params("1"), there)
    for path, size in zip(paths, sizes, strict=True):
        record = json.loads(path.read_text(encoding="utf-8"))
        assert record["status"] == "failed"
        assert "No space left" in record["error"]
        assert path.stat().st_size < size


def test_a_run_that_cannot_write_its_record_does_not_begin(tmp_path, monkeypatch):
    hook = RunRecordHooks()
    monkeypatch.setattr(run_record, "replaced", full_disk)
    with pytest.raises(OSError, match="No space left"):
        hook.before_pipeline_run(run_params("1"), catalog(tmp_path))
