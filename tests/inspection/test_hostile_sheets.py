"""Every picture that can be wrong, inspected among good ones."""

import subprocess
import sys

import pandas as pd
import pytest
from tests.integration.test_hostile_folder import NOTED, SET_ASIDE, write_pictures
from tests.support.sheet_jobs import config, loaded, run, write_sheets

READABLE = ("other_size.png", "deep.tif")
BAD = {name: reason for name, (_, reason) in SET_ASIDE.items() if name not in READABLE}
BAD |= {
    "link_out.png": "symbolic link that leads out of the folder",
    "pipe.png": "not a regular file",
    r"caf\xe9.png": "name of the file is not plain text in UTF-8",
}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("hostile") / "sheets"
    write_sheets(folder, 3)
    write_pictures(folder)
    result = run(folder, folder.parent / "jobs", config())
    return loaded(result.tables()[0]).set_index("sheet_id")


def test_every_bad_one_has_its_reason(verdicts):
    found = verdicts[verdicts["reason"].str.startswith("unreadable")]
    assert found["reason"].to_dict() == {name: f"unreadable: {why}" for name, why in BAD.items()}
    assert set(found["verdict"]) == {"review"}


def test_every_good_one_has_its_verdict(verdicts):
    good = [*NOTED, "victim.png", *READABLE, *(f"sheet_{n:04}.png" for n in range(3))]
    assert set(verdicts.index) == {*good, *BAD}
    # The network is asked about all but the dark one, and those whose depth nobody knows.
    not_asked = verdicts.loc[good].query("gate_score.isna()")
    deep = "unlike what was learned: 16 bits a channel, of which nobody knows how many are used"
    assert not_asked["reason"].to_dict() == {
        "black.png": "camera: black frame", "deep.tif": deep, "deep.png": deep,
    }  # fmt: skip


@pytest.mark.slow
def test_inspection_needs_neither_keras_nor_kedro():
    code = (
        "import sys, steel_defects.inspection.job, steel_defects.inspection.follow\n"
        "heavy = {'keras', 'tensorflow', 'kedro', 'openvino', 'matplotlib'} & set(sys.modules)\n"
        "print(sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
