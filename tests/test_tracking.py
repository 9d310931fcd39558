"""What MLflow gets of a run; without it nothing happens."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline

from steel_defects.datasets.files import FigureDataset
from steel_defects.tracking import TrackingHooks, metrics_of

TABLE = pd.DataFrame(
    {"backbone": ["vgg16"], "evaluation": ["test"], "accuracy": [0.9], "recall_sd": [None]}
)


class Recorder:
    def __init__(self, open_run: bool) -> None:
        self.logged: list[Any] = []
        self.active_run = lambda: SimpleNamespace() if open_run else None
        self.log_metrics = self.logged.append
        self.log_artifact = lambda path, folder: self.logged.append((Path(path).name, folder))


def made() -> None: ...


@pytest.fixture
def run(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "roc.png").write_bytes(b"picture")
    catalog = DataCatalog(
        {
            "classification_comparison": MemoryDataset(TABLE),
            "roc_figure": FigureDataset(filepath=str(tmp_path / "roc.png")),
        }
    )
    node = Node(made, None, ["classification_comparison", "roc_figure"], name="made")
    return {"pipeline": Pipeline([node]), "catalog": catalog}


def test_numbers_are_named_after_their_rows() -> None:
    assert metrics_of(TABLE, "c", "backbone") == {"c.vgg16.test.accuracy": 0.9}


@pytest.mark.parametrize("open_run", [True, False])
def test_metrics_and_figures_go_into_the_open_run(
    run: dict[str, Any], open_run: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(open_run)
    monkeypatch.setitem(sys.modules, "mlflow", recorder)
    TrackingHooks().after_pipeline_run(**run)
    expected = [
        {"classification_comparison.vgg16.test.accuracy": 0.9},
        ("roc.png", "reporting"),
    ]
    assert recorder.logged == (expected if open_run else [])


def test_nothing_happens_without_mlflow(
    run: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "mlflow", raising=False)
    TrackingHooks().after_pipeline_run(**run)
    assert "mlflow" not in sys.modules
