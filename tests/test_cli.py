"""``kedro run`` answers a mistake with one line and exit code 1."""

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from kedro.framework.cli.project import run as kedro_run
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline
from kedro.utils import load_obj
from kedro_datasets.json import JSONDataset
from tests.support.good_tables import GOOD

from steel_defects.cli import SILENCED, one_line
from steel_defects.cli import run as run_command
from steel_defects.errors import Refused, SteelDefectsError

ROOT = Path(__file__).parents[1]


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """A copy of the configuration whose test environment has an empty data folder."""
    conf = tmp_path / "conf"
    shutil.copytree(ROOT / "conf", conf, ignore=shutil.ignore_patterns("local"))
    (conf / "local").mkdir()
    path = conf / "test" / "globals.yml"
    lines = [
        line
        for line in path.read_text(encoding="utf-8").splitlines()
        if not line.startswith("data_root:")
    ]
    path.write_text("\n".join([f"data_root: {tmp_path / 'data'}", *lines]) + "\n", encoding="utf-8")
    return conf


def run(conf: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kedro", "run", f"--conf-source={conf}", *options]
    silent = {"DO_NOT_TRACK": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | silent, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--params", "classification.epochs=-1"], ["classification", "epochs", "greater than 0"]),
        (["--params", "clasification.epochs=5"], ["no parameter clasification", "classification?"]),
        (
            ["--pipelines=inspection", "--params", "positions.pattern=(?P<coil>.)"],
            ["positions", "no group may be named coil"],
        ),
        (["--pipelines=segmentation"], ["missing", "--pipelines=data_engineering"]),
        (["--pipelines=data_engineering"], ["raw_annotations", "train.csv"]),
        (["--pipelines=inspection"], ["inspection_package", "models_dir=PATH"]),
        (
            ["--pipelines=sample_data", "--runner=ThreadRunner"],
            ["ThreadRunner would train networks beside each other", "without --runner"],
        ),
        (
            ["--pipelines=inspection", "--params=inspection.follow=true"],
            ["inspection_package is missing"],
        ),
        (["--pipelines=segmentatoin"], ["segmentatoin"]),
        (["--pipelines=promotion"], ["a promotion needs by and reason", "by=…,reason=…"]),
        (["--pipelines=promotion", "--params=reason=better,by=Kim"], ["there are none yet"]),
        (["--params=reason=better"], ["this run would not read reason; it is for promotion"]),
        (["--env=absent"], ["absent"]),
    ],
    ids=lambda value: value[-1] if value[0].startswith("--") else None,
)
def test_a_mistake_is_answered_in_one_line(conf, options, words):
    env = [] if any(o.startswith("--env") for o in options) else ["--env=test"]
    found = run(conf, *env, *options)
    assert found.returncode == 1
    lines = found.stderr.splitlines()
    assert len(lines) == 1, found.stderr
    assert lines[0].startswith("Error: ")
    for word in words:
        assert word in lines[0]
    assert "Traceback" not in found.stdout + found.stderr
    assert not (conf.parent / "data").exists()


@pytest.mark.slow
def test_traceback_on_request(conf):
    found = run(conf, "--env=test", "--pipelines=segmentation", "--traceback")
    assert found.returncode == 1
    assert "Traceback" in found.stdout + found.stderr
    assert "SteelDefectsError" in found.stdout + found.stderr


@pytest.mark.parametrize("kind", [SteelDefectsError, Refused])
def test_how_to_resume_stands_under_an_error_but_no_refusal(tmp_path, monkeypatch, capsys, kind):
    def fail(_: object) -> None:
        raise kind("no room is left")

    nodes = [Node(lambda: 1, None, "a", name="first"), Node(fail, "a", "b", name="second")]
    catalog = DataCatalog({"a": JSONDataset(filepath=str(tmp_path / "a.json"))})
    loggers = [*map(logging.getLogger, SILENCED), *logging.getLogger().handlers]
    filters = [list(logger.filters) for logger in loggers]
    monkeypatch.setattr(
        kedro_run, "callback", lambda runner: load_obj(runner)().run(Pipeline(nodes), catalog)
    )
    with pytest.raises(SystemExit):
        run_command.callback(traceback=False)
    for logger, before in zip(loggers, filters, strict=True):
        logger.filters[:] = before
    error, *advice = capsys.readouterr().err.splitlines()
    assert error == "Error: no room is left (--traceback shows where)"
    expected = [] if kind is Refused else ['Then go on from there: add --from-nodes "second"']
    assert advice == expected


@pytest.mark.parametrize(
    ("typed", "parameters"),
    [
        ("sheets_dir=0045612", {"sheets_dir": "0045612"}),
        ("models_dir = 2024 , raw_dir=1e5", {"models_dir": "2024", "raw_dir": "1e5"}),
        ("weights_dir=yes,data_engineering.seed=7",
         {"weights_dir": "yes", "data_engineering": {"seed": 7}}),
        ("raw_dir='007',sheets_dir=null", {"raw_dir": "007", "sheets_dir": None}),
        ("by=007, reason = class 3: better #2", {"by": "007", "reason": "class 3: better #2"}),
    ],
)  # fmt: skip
def test_paths_and_texts_are_taken_as_they_are_typed(typed, parameters):
    context = run_command.make_context("run", ["--params", typed])
    assert context.params["params"] == parameters


FAULTY = {
    "a value": (
        "sheets",
        lambda table: table.assign(black_fraction=1 + 2**-52),
        "black_fraction must be at most 1 (2 cases, the first: 1.0000000000000002)",
    ),
    "several columns": (
        "sheets",
        lambda table: table.assign(path="", mean_intensity=-1.0, black_fraction=2.0),
        "path must not be empty (2 cases, the first: empty); 2 more rules are broken",
    ),
    "a type": (
        "sheets",
        lambda table: table.assign(width=["x", "y"]),
        "width must be of type int64 (2 cases, the first: x)",
    ),
    "no value": (
        "sheet_groups",
        lambda table: table.assign(group_id=pd.array([None, "0"], dtype="str")),
        "group_id must not be null (1 case, the first: nan)",
    ),
    "a repeated name": (
        "sheets",
        lambda table: table.assign(sheet_id="a\x1b[2J" + "a" * 999),
        "sheet_id must be unique (2 cases, the first: a\\x1b[2J" + "a" * 35 + "…)",
    ),
    "a repeated key": (
        "annotations",
        lambda table: table.assign(sheet_id="a", class_id=1),
        "sheet_id must be unique in combination with the other key columns (2 cases",
    ),
    "missing columns": (
        "sheets",
        lambda table: table.drop(columns=["width", "height"]),
        "column width is missing (and 1 more)",
    ),
    "a strange column": (
        "sheets",
        lambda table: table.assign(depth=1),
        "column depth does not belong there",
    ),
    "the order of columns": (
        "annotations",
        lambda table: table[["class_id", "sheet_id", "rle", "area_px"]],
        "column class_id is out of order (and 1 more)",
    ),
    "a list": (
        "splits",
        lambda table: table.assign(fold=[[-1], [0]]),
        "fold must hold numbers from 0 on (1 case, the first: [-1])",
    ),
    "a rule of the whole table": (
        "splits",
        lambda table: table.assign(group_id="0", split=["train", "test"]),
        "a group lies in two splits",
    ),
}


@pytest.mark.parametrize("mode", ["save", "load"])
@pytest.mark.parametrize(("name", "spoil", "words"), FAULTY.values(), ids=FAULTY)
def test_a_table_that_breaks_its_schema_is_told_in_one_line(tmp_path, name, spoil, words, mode):
    entry = {"type": "pandas.ParquetDataset", "filepath": str(tmp_path / "table.parquet")}
    validator = f"steel_defects.tables.{name}"
    catalog = DataCatalog.from_config({name: entry | {"validator": validator}})
    table = spoil(pd.DataFrame(GOOD[name]))
    if mode == "load":
        catalog[name].save(table)
    with pytest.raises(Exception, match="Validation failed") as caught:
        catalog.load(name) if mode == "load" else catalog.save(name, table)
    line = one_line(caught.value)
    assert line.startswith(f"{name}: {words}")
    assert line.isprintable()
    remedy = "--pipelines=data_engineering)" if mode == "load" else "report this fault"
    assert remedy in line
