"""Learning curves through Kedro: none unless asked for, and whole after a kill."""

import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from tests.support.projects import ROOT, Project

from steel_defects import tables as schemas

pytestmark = pytest.mark.slow

PIPELINE = "--pipelines=learning_curve"
MODELS = "--params=learning_curve.models=mobilenet_v2 unet"


def trainings(output: str) -> int:
    return output.count(": epoch 1 of 1,")


def kill_after(project: Project, networks: int) -> None:
    """Start the pipeline, and kill it once so many networks are finished."""
    command = [sys.executable, "-m", "kedro", "run", "--env=test", PIPELINE, MODELS]
    process = subprocess.Popen(
        [*command, f"--conf-source={project.conf}"], cwd=ROOT, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    folder = project.data / "05_model_input" / "checkpoints" / "learning_curve"
    while process.poll() is None and len(list(folder.rglob("[!.]*.keras"))) < networks:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert len(list(folder.rglob("[!.]*.keras"))) >= networks


def test_a_run_has_no_learning_curve_unless_it_is_asked_for(small_run: Project):
    assert [path for path in small_run.data.rglob("*") if "learning_curve" in path.name] == []
    assert '<section id="learning_curve"' not in small_run.catalog.load("report")
    done = small_run.run(PIPELINE)
    assert done.returncode == 1
    assert "learning_curve one in learning_curve.models" in done.stderr + done.stdout


def test_curves_of_both_kinds_go_on_after_a_kill_and_stand_in_the_report(copied_run: Project):
    before = {path: path.stat().st_mtime_ns for path in (copied_run.data / "06_models").rglob("*")}
    kill_after(copied_run, 2)
    done = copied_run.run(f"{PIPELINE},reporting", MODELS)
    assert done.returncode == 0, done.stderr[-3000:]
    # Four shares of two models, of which two or three were finished.
    assert trainings(done.stdout) in (5, 6)
    catalog = copied_run.catalog
    table = catalog.load("learning_curve")
    schemas.learning_curve.validate(table)
    counts = table.groupby(["model", "metric"]).size()
    assert counts.to_dict() == {
        ("mobilenet_v2", "roc_auc"): 4, ("mobilenet_v2", "accuracy"): 4,
        ("unet", "mean_dice"): 4, ("unet", "dice_on_positives"): 4,
    }  # fmt: skip
    unet = catalog.load("unet.learning_curve")
    assert unet["metric"].tolist() == table.loc[table["model"] == "unet", "metric"].tolist()
    report = catalog.load("report")
    assert '<section id="learning_curve"' in report and "unet, mean Dice: " in report
    assert not list(copied_run.data.glob("05_model_input/checkpoints/learning_curve/**/*.*"))
    after = {path: path.stat().st_mtime_ns for path in (copied_run.data / "06_models").rglob("*")}
    assert after == before
    _same_again(copied_run, table)


def _same_again(project: Project, table: pd.DataFrame) -> None:
    """Only the segmenter's trainings, which take a second each."""
    project.must_run("--nodes=unet.measure_segmenter_learning_curve", MODELS)
    again = project.catalog.load("unet.learning_curve")
    of_unet = table[table["model"] == "unet"].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, of_unet, check_dtype=False)
