"""What happens around runs."""

import errno
import os
import shutil
from pathlib import Path

import pytest
from kedro.framework.session import KedroSession
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline

from steel_defects.errors import SteelDefectsError
from steel_defects.hooks import InputHooks
from steel_defects.run_record import RunRecordHooks

ROOT = Path(__file__).parents[1]


def test_a_full_disk_does_not_hide_the_error_of_a_run(monkeypatch):
    def full(hooks: RunRecordHooks, catalog: DataCatalog) -> None:
        written.append(hooks._record)
        if len(written) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    written: list[dict] = []
    monkeypatch.setattr(RunRecordHooks, "_write", full)
    hooks = RunRecordHooks()
    hooks._parameters, hooks._project = {}, "."
    names = ("env", "pipeline_names", "namespaces", "runtime_params")
    hooks.before_pipeline_run({"run_id": "1", **dict.fromkeys(names)}, DataCatalog())
    hooks.on_pipeline_error(RuntimeError("what went wrong"), DataCatalog())
    assert written[1]["error"] == "what went wrong"
    assert written[1]["status"] == "failed"


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
    InputHooks().before_pipeline_run(pipeline, DataCatalog.from_config({"model": entry}))
    catalog = DataCatalog.from_config({"model": entry | {"versioned": True}})
    with pytest.raises(SteelDefectsError, match="for a pattern.* change data_root") as caught:
        InputHooks().before_pipeline_run(pipeline, catalog)
    assert folder in str(caught.value)


def test_a_project_where_kedro_finds_no_configuration_is_refused(tmp_path):
    conf = tmp_path / "conf[1]"
    shutil.copytree(ROOT / "conf", conf)
    session = KedroSession.create(ROOT, env="test", conf_source=str(conf))
    with pytest.raises(SteelDefectsError, match=r"takes .*conf\[1\] for a pattern"):
        session.load_context()
