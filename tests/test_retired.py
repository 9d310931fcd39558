"""Parameters of earlier releases, in copies of conf, on the command line and in run records."""

import json
import shutil
from pathlib import Path

import pytest
from kedro.framework.session import KedroSession
from tests.support import standalone

from steel_defects.errors import SteelDefectsError
from steel_defects.models.config import ARCHITECTURES, BACKBONES
from steel_defects.retired import RETIRED, note_on, take_out_retired
from steel_defects.training.__main__ import read_parameters

ROOT = Path(__file__).parents[1]


def nested(name: str, value: object) -> dict:
    *groups, last = name.split(".")
    inner = {last: value}
    for group in reversed(groups):
        inner = {group: inner}
    return inner


def named(name: str) -> str:
    return name.format(backbone=BACKBONES[-1], architecture=ARCHITECTURES[-1])


def notes(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if "no parameters any more" in r.getMessage()]


@pytest.mark.parametrize("name", RETIRED)
def test_a_retired_name_at_its_value_is_taken_out_and_at_another_refused(name: str) -> None:
    values, remedy = RETIRED[name]
    for value in values:
        parameters = nested(named(name), value)
        assert named(name) in take_out_retired(parameters)
        assert name.rsplit(".", 1)[-1] not in json.dumps(parameters)
    with pytest.raises(SteelDefectsError) as caught:
        take_out_retired(nested(named(name), {"other": 1}))
    assert named(name) in str(caught.value) and str(caught.value).endswith(
        remedy.format(value=json.dumps(values[-1]))
    )
    assert "\n" not in str(caught.value)


def test_names_that_are_not_there_change_nothing() -> None:
    parameters = {"segmentation": {"epochs": 3}, "unet": None, "mobilenet_v2": {"training": {}}}
    before = json.dumps(parameters)
    assert take_out_retired(parameters) == []
    assert json.dumps(parameters) == before


def test_a_copied_environment_runs_and_is_told_once(caplog, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "conf", tmp_path, dirs_exist_ok=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "parameters.yml").write_text(
        "segmentation: {search: null, epochs: 7}", encoding="utf-8"
    )
    given = {"vgg16": {"training": {"blackout_share": 0.0, "epochs": 2}}}
    with KedroSession.create(
        ROOT, env="mine", conf_source=str(tmp_path), runtime_params=given
    ) as session:
        params = session.load_context().params
    assert params["segmentation"].epochs == 7
    assert params["vgg16"]["training"].epochs == 2
    (note,) = notes(caplog)
    assert "segmentation.search, vgg16.training.blackout_share; see CHANGELOG.md" in note


def test_a_retired_value_ends_the_run_in_one_line() -> None:
    given = {"segmentation": {"search": {"epochs": 3}}}
    session = KedroSession.create(ROOT, env="test", runtime_params=given)
    with pytest.raises(SteelDefectsError, match=r"segmentation\.search can no longer be set to"):
        session.load_context()


def test_a_note_stays_short() -> None:
    note = note_on([f"name_{number}" for number in range(60)])
    assert "name_7 and 52 more" in note and "name_8" not in note


def test_records_of_earlier_runs_can_be_trained_from(caplog, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    earlier = standalone.PARAMETERS | {"segmentation": {"search": None, "epochs": 2}}
    path.write_text(json.dumps({"parameters": earlier}), encoding="utf-8")
    changes = ("segmentation.finish=null", "segmentation.epochs=3")
    assert read_parameters(path, changes)["segmentation"] == {"epochs": 3}
    (note,) = notes(caplog)
    assert "segmentation.finish, segmentation.search" in note
    with pytest.raises(SteelDefectsError, match='to {"epochs": 5}: make .*tile_size larger'):
        read_parameters(path, ['segmentation.finish={"epochs": 5}'])
