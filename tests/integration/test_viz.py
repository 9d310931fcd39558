"""The static site of kedro-viz: layers, pipelines, previews, and that a browser shows them."""

import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kedro.framework.project import pipelines
from tests.support.projects import ROOT, Project

LAYERS = [
    "01_raw", "02_intermediate", "03_primary", "05_model_input", "06_models", "07_model_output",
    "08_reporting", "09_release",
]  # fmt: skip
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)


@pytest.fixture(scope="module")
def site(small_run: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``make viz`` builds of the smallest run, with all backbones in the graph."""
    folder = tmp_path_factory.mktemp("viz")
    whole = Project("test", folder / "whole")
    shutil.copytree(small_run.data, whole.data)
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(whole.conf, folder / "conf")
    shutil.copy(ROOT / "pyproject.toml", folder)
    done = subprocess.run(
        [sys.executable, "-m", "kedro", "viz", "build", "--include-previews"],
        cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "KEDRO_ENV": "test", "DO_NOT_TRACK": "1"},
    )  # fmt: skip
    assert (folder / "build" / "index.html").is_file(), done.stdout[-2000:] + done.stderr[-2000:]
    return folder / "build"


@pytest.fixture(scope="module")
def graph(site: Path) -> dict[str, Any]:
    return dict(json.loads((site / "api" / "main").read_text(encoding="utf-8")))


def test_all_pipelines_are_there(graph: dict[str, Any]) -> None:
    assert {one["id"] for one in graph["pipelines"]} == set(pipelines)


def test_layers_are_in_order(graph: dict[str, Any]) -> None:
    assert graph["layers"] == LAYERS


def test_every_dataset_has_a_layer(graph: dict[str, Any]) -> None:
    datasets = [node for node in graph["nodes"] if node["type"] == "data"]
    assert len(datasets) > 40
    assert [node["name"] for node in datasets if not node["layer"]] == []


def test_previews_are_shown(site: Path) -> None:
    nodes = [
        json.loads(file.read_text(encoding="utf-8")) for file in (site / "api" / "nodes").iterdir()
    ]
    kinds = [node["preview_type"] for node in nodes if node.get("preview")]
    assert len(kinds) >= 8
    assert {"TablePreview", "ImagePreview", "JSONPreview"} <= set(kinds)


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(site))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def dom(address: str, profile: Path) -> str:
    """What a page holds once its scripts have run."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    done = subprocess.run(
        [
            CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom",
            f"--user-data-dir={profile}", "--virtual-time-budget=30000", address,
        ],
        capture_output=True, text=True, check=False, timeout=180,
    )  # fmt: skip
    return done.stdout


def test_a_browser_shows_nodes_and_layers(address: str, tmp_path: Path) -> None:
    # A small graph: the layout of all of it is computed beside the page, which nobody waits for.
    page = dom(f"{address}/?pid=inspection", tmp_path)
    assert page.count('class="pipeline-node ') >= 8
    assert page.count('class="pipeline-layer"') >= 3
    assert ">inspect_sheets<" in page


def test_a_browser_draws_the_whole_graph_without_asking(address: str, tmp_path: Path) -> None:
    page = dom(f"{address}/", tmp_path)
    assert "chonky" not in page  # the question that kedro-viz asks before large graphs
    assert 40 <= page.count('class="pipeline-node ') <= 75


def test_a_browser_shows_a_preview(address: str, site: Path, tmp_path: Path) -> None:
    nodes = json.loads((site / "api" / "pipelines" / "inspection").read_text(encoding="utf-8"))[
        "nodes"
    ]
    [verdicts] = [node["id"] for node in nodes if node["name"] == "verdicts"]
    page = dom(f"{address}/?pid=inspection&sid={verdicts}", tmp_path)
    assert "thresholds_id" in page
