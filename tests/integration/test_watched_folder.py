"""A folder that ``kedro run`` watches while a camera writes into it, until a signal ends it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.support.projects import ROOT, Project
from tests.support.sheet_jobs import SETTINGS, draw_sheet

from steel_defects.package.folder import write_package
from steel_defects.package.manifest import ExportSpec, Manifest, ParityResult, SegmenterSpec

_LONGEST = 240.0  # seconds that a loaded machine may take to start up


def write_bright_package(folder: Path) -> None:
    """Write a package that takes bright pixels for pits, and needs no Keras to do so."""
    openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")
    from openvino import opset13 as op

    sheet = op.parameter([-1, -1, -1, 1], np.uint8, name="sheet")
    maps = op.convert(op.greater(sheet, op.constant(200, np.uint8)), "f32")
    model = openvino.Model([maps], [sheet], "segmenter")
    files = ("bright.xml", "bright.bin")
    passed = ParityResult(
        passed=True, sheets=1, max_difference=0, tolerance=None, changed_verdicts=0, dice_change=0
    )
    export = ExportSpec(
        network="segmenter", runtime="openvino", precision="fp32", files=files, parity=passed
    )
    segmenter = SegmenterSpec(name="none", file="none.keras", postprocessing=(SETTINGS,))
    manifest = Manifest(class_names=("pit",), gate=None, segmenter=segmenter, exports=(export,))
    beside = folder.with_name("bright.xml")
    openvino.save_model(model, beside, compress_to_fp16=False)
    contents = {name: beside.with_name(name).read_bytes() for name in files} | {"none.keras": b""}
    write_package(
        folder,
        manifest,
        {name: lambda path, data=data: path.write_bytes(data) for name, data in contents.items()},
    )


class Watching:
    """``kedro run`` with a watched folder."""

    def __init__(self, project: Project, sheets: Path, package: Path) -> None:
        """Start it."""
        self._jobs = project.data / "07_model_output" / "inspection"
        given = {
            "sheets_dir": sheets, "models_dir": package, "inspection.follow": "true",
            "inspection.part_sheets": 2,
        }  # fmt: skip
        params = ",".join(f"{name}={value}" for name, value in given.items())
        command = [sys.executable, "-m", "kedro", "run", f"--env={project.environment}"]
        command += [f"--conf-source={project.conf}", "--pipelines=inspection"]
        self._process = subprocess.Popen(
            [*command, f"--params={params}"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "DO_NOT_TRACK": "1", "KEDRO_DISABLE_TELEMETRY": "1"},
        )

    def wait_for(self, sheet_id: str) -> None:
        """Wait until the verdict on a sheet is on disk."""
        until = time.monotonic() + _LONGEST
        while sheet_id.encode() not in b"".join(self._written()):
            assert self._process.poll() is None, self._process.communicate()[0][-3000:]
            assert time.monotonic() < until, f"{sheet_id} was not inspected"
            time.sleep(0.05)

    def _written(self) -> Iterator[bytes]:
        for pattern in ("part-*.jsonl", "part-*/submission.csv"):
            for path in self._jobs.glob(f"*/{pattern}"):
                with suppress(FileNotFoundError):  # a journal ends when its part is full
                    yield path.read_bytes()

    def end(self, number: int) -> None:
        """Send a signal, and wait until all is written."""
        self._process.send_signal(number)
        output, _ = self._process.communicate(timeout=_LONGEST)
        assert self._process.returncode == 0, output[-3000:]


def picture(name: str, seed: int) -> bytes:
    """A sheet with as many spots as seed modulo 4."""
    return cv2.imencode(Path(name).suffix, draw_sheet(seed))[1].tobytes()


def write_slowly(path: Path, data: bytes) -> None:
    """Write as a camera does over a slow line, with pauses longer than between two looks."""
    with path.open("wb", buffering=0) as file:
        for piece in np.array_split(np.frombuffer(data, np.uint8), 3):
            file.write(piece.tobytes())
            time.sleep(0.15)


def test_sheets_that_come_while_it_runs(
    make_project: Callable[[str], Project], tmp_path: Path
) -> None:
    project, sheets, package = make_project("test"), tmp_path / "sheets", tmp_path / "package"
    write_bright_package(package)
    sheets.mkdir()
    (sheets / "early.png").write_bytes(picture("early.png", 1))
    run = Watching(project, sheets, package)
    run.wait_for("early.png")
    write_slowly(sheets / "slow.jpg", picture("slow.jpg", 2))
    run.wait_for("slow.jpg")
    write_slowly(sheets / "renamed.png.tmp", picture("a.png", 4))
    (sheets / "renamed.png.tmp").rename(sheets / "renamed.png")
    run.wait_for("renamed.png")
    run.end(signal.SIGTERM)
    assert verdicts(project) == {"early.png": 1, "slow.jpg": 2, "renamed.png": 0}

    # Started again, it goes on where it was, and knows sheets that are gone.
    (sheets / "early.png").unlink()
    run = Watching(project, sheets, package)
    (sheets / "late.png").write_bytes(picture("late.png", 3))
    run.wait_for("late.png")
    run.end(signal.SIGINT)
    assert verdicts(project) == {"early.png": 1, "slow.jpg": 2, "renamed.png": 0, "late.png": 3}
    summary = project.catalog.load("inspection_summary")
    assert summary["verdicts"] == {"accept": 1, "review": 0, "reject": 3}
    assert set(project.catalog.load("inspection_overlays")) == {
        "reject_early.png.jpg", "reject_slow.jpg", "accept_renamed.png.jpg",
        "reject_late.png.jpg",
    }  # fmt: skip


def verdicts(project: Project) -> dict[str, int]:
    """Return the number of defects by sheet, in the order in which they were judged."""
    table = project.catalog.load("verdicts")
    assert table["verdict"].eq("accept").tolist() == table["defect_count"].eq(0).tolist()
    return dict(zip(table["sheet_id"], table["defect_count"].tolist(), strict=True))
