"""What a run skips because it is up to date, and what it says is out of date."""

import logging
import time
from pathlib import Path

import pandas as pd
import pytest
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog, MemoryDataset, Version
from kedro.pipeline import Node, Pipeline
from kedro_datasets.json import JSONDataset
from kedro_datasets.pandas import ParquetDataset
from tests.support.run_params import run_params

from steel_defects import up_to_date
from steel_defects.errors import SteelDefectsError, Stopped
from steel_defects.hooks import RunnerHooks
from steel_defects.node_records import NEWEST
from steel_defects.run_record import RUN_RECORD
from steel_defects.up_to_date import NodeRecordHooks, UpToDateRunner, command


class Mill:
    """Two nodes: one scales a number, one writes it to a table of which each run has a version."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.ran, self.scale, self.runs = root, [], 2, 0
        self.pipeline = Pipeline([
            Node(self._scale, ["raw", "params:scale"], "scaled", name="scale"),
            Node(self._note, "scaled", "table", name="note"),
        ])  # fmt: skip
        self.write_raw(3)
        monkeypatch.setattr(up_to_date, "pipelines", {"__default__": self.pipeline})

    def write_raw(self, value: int) -> None:
        time.sleep(0.01)  # a file system's clock
        JSONDataset(filepath=str(self.root / "raw.json")).save(value)

    def _scale(self, raw: int, scale: int) -> int:
        self.ran.append("scale")
        return raw * scale

    def _note(self, scaled: int) -> pd.DataFrame:
        self.ran.append("note")
        if scaled < 0:
            raise ValueError("negative")
        if scaled == 0:
            raise KeyboardInterrupt
        return pd.DataFrame({"value": [scaled]})

    def run(self, *nodes: str, everything: bool = False) -> list[str]:
        self.runs += 1
        name = f"2026-01-0{self.runs}T00.00.00.000Z"
        table = str(self.root / "07_model_output" / "table.parquet")
        catalog = DataCatalog({
            "raw": JSONDataset(filepath=str(self.root / "raw.json")),
            "scaled": JSONDataset(filepath=str(self.root / "scaled.json")),
            "table": ParquetDataset(filepath=table, version=Version(None, name)),
            "params:scale": MemoryDataset(self.scale),
            RUN_RECORD: JSONDataset(filepath=str(self.root / "08_reporting" / "run.json")),
        })  # fmt: skip
        pipeline = self.pipeline.filter(node_names=nodes) if nodes else self.pipeline
        hooks, manager, self.ran = NodeRecordHooks(), _create_hook_manager(), []
        manager.register(hooks)
        hooks.before_pipeline_run(run_params(name), pipeline, catalog)
        try:
            UpToDateRunner().run(
                pipeline, catalog, manager, run_id=name, only_missing_outputs=not everything
            )
        except Exception:
            hooks.on_pipeline_error(run_params(name))
            raise
        hooks.after_pipeline_run(run_params(name), catalog)
        return self.ran


@pytest.fixture
def mill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mill:
    return Mill(tmp_path, monkeypatch)


def test_only_what_changed_runs_and_all_that_follows(mill: Mill, caplog):
    caplog.set_level(logging.INFO)
    assert mill.run() == ["scale", "note"]
    assert "note is done, 2 of 2" in caplog.text and "Completed node" not in caplog.text
    assert mill.run() == []
    assert "all 2 nodes are up to date" in caplog.text
    mill.scale = 5
    assert mill.run() == ["scale", "note"]
    assert "runs 2 of 2 nodes, from these on: scale (scale)" in caplog.text
    mill.write_raw(4)
    assert mill.run() == ["scale", "note"]
    (mill.root / "scaled.json").write_text("77", encoding="utf-8")  # by hand
    assert mill.run() == ["scale", "note"]
    assert mill.run() == []


def test_missing_outputs_and_nodes_without_a_record_run(mill: Mill):
    mill.run()
    (mill.root / "scaled.json").unlink()
    assert mill.run() == ["scale", "note"]
    (mill.root / ".nodes" / "note.json").write_text("{broken", encoding="utf-8")
    assert mill.run() == ["note"]


def test_after_a_part_of_a_run_the_rest_is_named(mill: Mill, caplog):
    mill.run()
    mill.scale = 5
    assert mill.run("scale", everything=True) == ["scale"]
    assert "out of date now: table; this makes them anew: kedro run --only-missing" in caplog.text
    caplog.clear()
    assert mill.run() == ["note"]
    assert "out of date" not in caplog.text


@pytest.mark.parametrize(("value", "error"), [(-1, ValueError), (0, Stopped)])
def test_a_node_that_was_not_finished_runs_again(mill: Mill, value: int, error: type[Exception]):
    mill.run()
    mill.write_raw(value)
    for _ in range(2):
        with pytest.raises(error):
            mill.run()
    assert mill.ran == ["note"]


def test_the_newest_version_of_a_table_has_a_path_of_its_own(mill: Mill):
    for scale in (2, 5):
        mill.scale = scale
        mill.run()
    assert pd.read_parquet(mill.root / NEWEST / "table.parquet")["value"].tolist() == [15]
    assert len(pd.read_parquet(mill.root / "07_model_output" / "table.parquet")) == 2


def test_another_runner_is_refused_where_it_would_skip_what_is_out_of_date():
    asked = run_params("1") | {"only_missing_outputs": True}
    with pytest.raises(SteelDefectsError, match="takes whatever exists for up to date"):
        RunnerHooks().before_pipeline_run(asked)
    RunnerHooks().before_pipeline_run(asked | {"runner": str(UpToDateRunner())})


def test_the_command_repeats_environment_and_parameters():
    given = {"unet": {"network": {"depth": 3}}, "backbones": None, "raw_dir": "sheets"}
    assert command("demo", given) == (
        'kedro run --env=demo --params "unet.network.depth=3,backbones=,raw_dir=sheets" '
        "--only-missing-outputs"
    )
