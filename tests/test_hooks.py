"""What happens around runs."""

import errno
import os

from kedro.io import DataCatalog

from steel_defects.hooks import RunRecordHooks


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
