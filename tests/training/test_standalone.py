"""The command line without Kedro: what it makes, and what it says to bad input."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from tests.support import standalone
from tests.support.data import Data

from steel_defects import tables as schemas
from steel_defects.decision.postprocessing import ClassPostprocessing
from steel_defects.errors import SteelDefectsError
from steel_defects.training import cross_validation
from steel_defects.training.__main__ import group, read_parameters
from steel_defects.training.config import ClassificationConfig
from steel_defects.training.cross_validation import OutOfFold

# === What it makes ===


def test_out_of_fold_rows_go_to_the_catalog(
    tables: Path, tmp_path: Path, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def scores(data, recipe, plan) -> pd.DataFrame:
        known = len(data.sheets), len(data.splits), plan.repeats
        seen.append((*known, recipe.weights_dir, data.checkpoints))
        return pd.DataFrame({"sheet_id": ["a"], "score": [0.5]})

    monkeypatch.setattr(cross_validation, "out_of_fold_scores", scores)
    arguments = (*standalone.CLASSIFIER, "--cross-validate", "--weights-dir", "w")
    assert standalone.train(tables, tmp_path, *arguments, "--checkpoints", "c") == 0
    count = len(data.sheets)
    assert seen == [(count, count, 2, Path("w"), Path("c"))]
    name = "mobilenet_v2.out_of_fold_scores.parquet"
    written = pd.read_parquet(standalone.latest(tmp_path, name, "07_model_output"))
    assert written["score"].tolist() == [0.5]


def test_out_of_fold_masks_know_the_gate(
    tables: Path, tmp_path: Path, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    tuned = ClassPostprocessing(threshold=0.4, min_area_px=7)

    def masks(data, classes, recipe, grid, plan, gate_scores) -> OutOfFold:
        known = len(data.tiles), classes, recipe.network.name, plan.repeats
        seen.append((*known, data.checkpoints, gate_scores))
        return OutOfFold(pd.DataFrame({"sheet_id": ["a"], "rle": ["1 2"]}), [tuned])

    monkeypatch.setattr(cross_validation, "out_of_fold_masks", masks)
    arguments = (*standalone.SEGMENTER, "--cross-validate")
    assert standalone.train(tables, tmp_path, *arguments) == 0
    gate = pd.DataFrame({"sheet_id": ["a"], "repeat": [0], "score": [0.5], "cleared": [False]})
    schemas.gate_scores.validate(gate)
    (tables / "07_model_output").mkdir()
    gate.to_parquet(tables / "07_model_output" / "gate_scores.parquet")
    assert standalone.train(tables, tmp_path, *arguments) == 0
    assert [found[-1] is None for found in seen] == [True, False]
    checkpoints = tmp_path / "05_model_input" / "checkpoints"
    assert seen[1][:-1] == (len(data.tiles), 4, "unet", 1, checkpoints)
    name = "unet.out_of_fold_predictions.parquet"
    written = pd.read_parquet(standalone.latest(tmp_path, name, "07_model_output"))
    assert written["rle"].tolist() == ["1 2"]
    name = "unet.out_of_fold_postprocessing.json"
    chosen = json.loads(
        standalone.latest(tmp_path, name, "07_model_output").read_text(encoding="utf-8")
    )
    assert ClassPostprocessing(**chosen["classes"][0]) == tuned


@pytest.mark.slow
def test_help_imports_no_framework() -> None:
    code = (
        "import sys; sys.argv = ['x', '--help']\n"
        "for name in ('keras', 'kedro', 'pandera', 'tensorflow', 'jax'): sys.modules[name] = None\n"
        "from steel_defects.training.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "classifier" in done.stdout


# === Parameters ===


@pytest.fixture
def record(tmp_path: Path) -> Path:
    path = tmp_path / "run.json"
    path.write_text(
        json.dumps({"run_id": "1", "parameters": standalone.PARAMETERS}), encoding="utf-8"
    )
    return path


def test_parameters_come_from_the_record_of_a_run_or_stand_alone(record: Path) -> None:
    alone = record.with_name("parameters.json")
    alone.write_text(json.dumps(standalone.PARAMETERS), encoding="utf-8")
    assert read_parameters(record) == read_parameters(alone) == standalone.PARAMETERS


def test_changes_are_merged_as_kedro_does(record: Path) -> None:
    changes = [
        "classification.epochs=3",
        "classification.precision=mixed_bfloat16",
        'classification.head={"dropout": 0.5}',
        "mobilenet_v2.training.backbone.alpha=0.5",
        "classification.input_size=[32, 48]",
    ]
    changed = read_parameters(record, changes)
    config = group(changed, "classification", ClassificationConfig)
    assert (config.epochs, config.precision, config.input_size) == (3, "mixed_bfloat16", (32, 48))
    assert (config.head.units, config.head.dropout) == ((8,), 0.5)
    backbone = changed["mobilenet_v2"]["training"]["backbone"]
    assert backbone == {"name": "mobilenet_v2", "weights": "none", "alpha": 0.5}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("classificaton.epochs=3", "no parameter classificaton; did you mean classification"),
        ("classification.epochs", "'classification.epochs' is no name=value"),
        ("classification.epochs.most=3", "epochs in classification.epochs.most is a value"),
        ("typo=3", "there is no parameter typo"),
    ],
)
def test_changes_of_nothing_are_refused(record: Path, change: str, message: str) -> None:
    with pytest.raises(SteelDefectsError, match=message):
        read_parameters(record, [change])


@pytest.mark.parametrize("text", ["{", "[1]", '"text"'])
def test_files_without_parameters_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SteelDefectsError, match=r"run\.json"):
        read_parameters(path)


# === Bad input is answered in one line ===


def error_of(capsys: pytest.CaptureFixture[str], folder: Path, output: Path, *more: str) -> str:
    assert standalone.train(folder, output, *standalone.CLASSIFIER, *more) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert not list(output.glob("06_models"))
    return line


def test_errors_are_one_line(
    tables: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = ("--set", "classification.epochs=0", "--set", "classification.typo=1")
    said = error_of(capsys, tables, tmp_path, *wrong)
    assert "classification.epochs: Input should be greater than 0" in said
    assert "classification.typo: Extra inputs are not permitted" in said
    said = error_of(capsys, tmp_path / "none", tmp_path)
    assert said == (
        f"Error: cannot read parameters from {tmp_path / 'none' / '08_reporting' / 'run.json'}: "
        "No such file or directory"
    )


def test_missing_tables_and_pictures_are_named(
    tables: Path, record: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = record.parent
    given = ("--parameters", str(record))
    assert "there are no pictures in" in error_of(capsys, folder, folder, *given)
    said = error_of(capsys, folder, folder, *given, "--raw-dir", str(tables))
    assert said == (
        f"Error: there is no sheets.parquet in {folder}; run the pipeline data_engineering first"
    )
    (folder / "sheets.parquet").write_bytes(b"nonsense")
    said = error_of(capsys, folder, folder, *given, "--raw-dir", str(tables))
    assert f"cannot read {folder / 'sheets.parquet'}" in said
