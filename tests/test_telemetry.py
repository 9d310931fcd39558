"""Nothing that the project imports reports to its makers that it is used."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: Python runs this at its start. It notes every address that is asked for, in forks as well.
WATCH = """
import os, socket
def note(address):
    with open(os.environ["ASKED_FOR"], "a") as file:
        file.write(f"{address}\\n")
    raise OSError("this test has no network")
socket.getaddrinfo = lambda host, *_, **__: note(host)
class Watched(socket.socket):
    def connect(self, address):
        return super().connect(address) if self.family == socket.AF_UNIX else note(address)
socket.socket = Watched
"""
INSPECT_AND_QUANTISE = """
from pathlib import Path
import numpy as np
import steel_defects
import openvino
from openvino import opset13
from steel_defects.deployment.converters import quantise_openvino
sheet = opset13.parameter([1, 8, 8, 1], np.uint8)
kernel = opset13.constant(np.ones((4, 1, 3, 3), np.float32))
gray = opset13.transpose(opset13.convert(sheet, "f32"), [0, 3, 1, 2])
maps = opset13.convolution(gray, kernel, [1, 1], [0, 0], [0, 0], [1, 1])
openvino.save_model(openvino.Model([maps], [sheet], "net"), "net.xml")
quantise_openvino(Path("net.xml"), Path("int8.xml"), [np.zeros((1, 8, 8, 1), np.uint8)])
assert Path("int8.bin").is_file()
"""
SWITCHES = ("DO_NOT_TRACK", "KEDRO_DISABLE_TELEMETRY", "CI", "TF_BUILD", "JENKINS_URL")


@pytest.fixture
def asked_for(tmp_path: Path):
    """Return what runs Python in an empty folder, and then the addresses that it asked for."""

    def run(*arguments: str) -> list[str]:
        notes = tmp_path / "asked_for.txt"
        notes.touch()
        (tmp_path / "sitecustomize.py").write_text(WATCH, encoding="utf-8")
        settings = {key: value for key, value in os.environ.items() if key not in SWITCHES}
        paths = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "ASKED_FOR": str(notes)}
        path = os.pathsep.join([str(tmp_path), str(ROOT / "src")])
        done = subprocess.run(
            [sys.executable, *arguments], env={**settings, **paths, "PYTHONPATH": path},
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return notes.read_text(encoding="utf-8").splitlines()

    return run


@pytest.mark.slow
def test_openvino_and_nncf_send_nothing(asked_for):
    pytest.importorskip("nncf", reason="NNCF is not installed")
    assert asked_for("-c", INSPECT_AND_QUANTISE) == []


@pytest.mark.slow
def test_a_run_outside_the_checkout_sends_nothing(asked_for):
    conf = ROOT / "conf"
    run = ["-m", "steel_defects", "--env=test", "--pipelines=sample_data", f"--conf-source={conf}"]
    assert asked_for(*run) == []


def test_the_watch_notices_what_is_asked_for(asked_for):
    code = """
import socket
try:
    socket.create_connection(("example.invalid", 80))
except OSError:
    pass
"""
    assert asked_for("-c", code) == ["example.invalid"]
