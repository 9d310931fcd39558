"""Parameters of earlier releases, in copies of conf, on the command line and in run records."""

import json
import shutil
from pathlib import Path

import pytest
from kedro.framework.session import KedroSession
from tests.support import standalone

from steel_defects.errors import SteelDefectsError
from steel_defects.models.config import ARCHITECTURES, BACKBONES
from steel_defects.retired import RENAMED, RETIRED, bring_up_to_date
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
    return [r.getMessage() for r in caplog.records if "Upgrade" in r.getMessage()]


@pytest.mark.parametrize("name", RETIRED)
def test_a_retired_name_at_its_value_is_taken_out_and_at_another_refused(name: str) -> None:
    values, remedy = RETIRED[name]
    for value in values:
        parameters = nested(named(name), value)
        assert named(name) in (bring_up_to_date(parameters) or "")
        assert name.rsplit(".", 1)[-1] not in json.dumps(parameters)
    with pytest.raises(SteelDefectsError) as caught:
        bring_up_to_date(nested(named(name), {"other": 1}))
    assert named(name) in str(caught.value) and str(caught.value).endswith(
        remedy.format(value=json.dumps(values[-1]))
    )
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("old", RENAMED)
def test_a_renamed_one_is_taken_over(old: str) -> None:
    *groups, new = [*named(old).split(".")[:-1], RENAMED[old]]
    parameters = nested(named(old), 4)
    assert f"{named(old)} is now {new}; see" in (bring_up_to_date(parameters) or "")
    assert parameters == nested(".".join([*groups, new]), 4)


@pytest.mark.parametrize(
    ("crop", "windows"), [(None, 0), ({}, 1), ({"windows_per_sheet": 4, "max_black": 0.25}, 4)]
)
def test_a_group_of_windows_is_read(crop: dict | None, windows: int) -> None:
    parameters = {"segmentation": {"crop": crop, "windows_per_sheet": 7}}
    bring_up_to_date(parameters)
    assert parameters == {"segmentation": {"windows_per_sheet": windows}}


def test_a_new_name_on_the_command_line_wins_over_an_old_one_in_a_file() -> None:
    given = {"segmentation": {"steps_per_epoch": 5}}
    parameters = {"segmentation": {"steps_per_epoch": 5, "tile_batches_per_epoch": 24}}
    assert bring_up_to_date(parameters, given)
    assert parameters == given


def test_names_that_are_not_there_change_nothing() -> None:
    parameters = {"segmentation": {"epochs": 3}, "unet": None, "mobilenet_v2": {"training": {}}}
    before = json.dumps(parameters)
    assert bring_up_to_date(parameters) is None
    assert json.dumps(parameters) == before


def test_a_copied_environment_runs_and_is_told_once(caplog, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "conf", tmp_path, dirs_exist_ok=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "parameters.yml").write_text(
        "segmentation: {search: null, epochs: 7, tile_batches_per_epoch: 24, defect_share: 0.1}",
        encoding="utf-8",
    )
    given = {
        "vgg16": {"training": {"blackout_share": 0.0, "epochs": 2}},
        "segmentation": {"defect_tile_share": 0.2, "crop": {}},
    }
    with KedroSession.create(
        ROOT, env="mine", conf_source=str(tmp_path), runtime_params=given
    ) as session:
        params = session.load_context().params
    assert params["segmentation"].epochs == 7
    assert params["segmentation"].steps_per_epoch == 24
    assert params["segmentation"].defect_tile_share == 0.2
    assert params["segmentation"].windows_per_sheet == 1
    assert params["vgg16"]["training"].epochs == 2
    (note,) = notes(caplog)
    assert "segmentation.tile_batches_per_epoch is now steps_per_epoch" in note
    assert "segmentation.search, vgg16.training.blackout_share; see CHANGELOG.md" in note


def test_a_retired_value_ends_the_run_in_one_line() -> None:
    given = {"segmentation": {"search": {"epochs": 3}}}
    session = KedroSession.create(ROOT, env="test", runtime_params=given)
    with pytest.raises(SteelDefectsError, match=r"segmentation\.search can no longer be set to"):
        session.load_context()


def test_a_note_stays_short() -> None:
    constants = {"precision": None, "frozen_epochs": None, "keep_last": None}
    note = bring_up_to_date({name: {"training": dict(constants)} for name in BACKBONES[:4]})
    assert note and note.count(".training.") == 8 and " and 4 more; see" in note


def test_records_of_earlier_runs_can_be_trained_from(caplog, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    values = {"search": None, "epochs": 2, "tile_batches_per_epoch": 6, "defect_share": 0.3}
    earlier = standalone.PARAMETERS | {"segmentation": values}
    path.write_text(json.dumps({"parameters": earlier}), encoding="utf-8")
    changes = [f"segmentation.{one}" for one in ("finish=null", "epochs=3", "steps_per_epoch=4")]
    expected = {"epochs": 3, "steps_per_epoch": 4, "defect_tile_share": 0.3}
    assert read_parameters(path, changes)["segmentation"] == expected
    (note,) = notes(caplog)
    assert "segmentation.finish, segmentation.search" in note
    with pytest.raises(SteelDefectsError, match='to {"epochs": 5}: make .*tile_size larger'):
        read_parameters(path, ['segmentation.finish={"epochs": 5}'])
