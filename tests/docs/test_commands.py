"""Every name in a command of README and docs exists."""

import re

import pytest
from kedro.config import OmegaConfigLoader
from tools.commands import ROOT, documented_commands, options
from tools.reference.pipelines import PIPELINES

COMMANDS = documented_commands()
RUNS = [command for command in COMMANDS if " kedro run" in f" {command}"]


def test_commands_are_noticed() -> None:
    assert len(COMMANDS) > 30 and len(RUNS) > 20


@pytest.mark.parametrize("command", RUNS)
def test_a_run_names_what_there_is(command: str) -> None:
    given = options(command)
    if (env := given.get("env", "base")) != "mine":
        assert (ROOT / "conf" / env).is_dir()
    names = given.get("pipelines", "__default__").split(",")
    assert set(names) <= set(PIPELINES)
    nodes = {node.name for node in PIPELINES[names[0]].nodes}
    # What a shell puts in is not looked at.
    first = re.sub(r",?\$\(.*", "", given.get("from-nodes", ""))
    assert set(filter(None, first.split(","))) <= nodes
    namespaces = {str(node.namespace) for node in PIPELINES["__default__"].nodes}
    assert set(filter(None, given.get("namespaces", "").split(","))) <= namespaces


@pytest.mark.parametrize("command", [run for run in RUNS if "--params" in run])
def test_a_run_gives_parameters_that_there_are(command: str) -> None:
    conf = OmegaConfigLoader(str(ROOT / "conf"), base_env="base", default_run_env="base")
    places = {"raw_dir", "weights_dir", "sheets_dir", "models_dir"}
    for pair in options(command)["params"].split(","):
        first, *rest = pair.split("=")[0].split(".")
        if first in places:
            continue
        value = conf["parameters"][first]
        for part in rest:
            value = value[part]


def test_the_check_notices_what_is_not_there() -> None:
    assert options('kedro run --env=a --params "b=c d" --traceback') == {
        "env": "a", "params": "b=c d", "traceback": "",
    }  # fmt: skip
