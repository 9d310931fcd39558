"""The nodes of promotion, with packages that judge drawn sheets by their brightness."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset, Version
from kedro.runner import SequentialRunner
from tests.support.sheet_jobs import SETTINGS, BrightnessRuntime, config, draw_sheet

from steel_defects.data.short_digests import short_digests
from steel_defects.datasets.files import RecordDataset
from steel_defects.datasets.logs import EarlierLogDataset, LogDataset
from steel_defects.datasets.models import ModelPackageDataset, PackageContents
from steel_defects.datasets.packages import (
    EarlierPackageDataset,
    PackageInUseDataset,
    PackageVersionsDataset,
    VersionedPackageDataset,
)
from steel_defects.errors import Refused, SteelDefectsError
from steel_defects.images.folder import SheetFolder
from steel_defects.inspection import known_sheets
from steel_defects.labels import rle as run_length
from steel_defects.package.folder import DECISION, LEARNED_SHEETS, read_package, write_text
from steel_defects.package.manifest import GateSpec, Manifest, SegmenterSpec
from steel_defects.pipelines.promotion import create_pipeline

TEST, OTHERS = 80, 10
STRICT, LAX = 0.05, 0.4  # the lax one clears sheets with one spot
FIRST, SECOND, THIRD = (f"2026-11-2{day}T05.52.16.188Z" for day in (6, 7, 8))
TEXTS = ("candidate", "model_id", "thresholds_id", "replaces", "by", "reason", "why", "test_split")
LOG = {"keep_default_na": False, "dtype": dict.fromkeys(TEXTS, str)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> SheetFolder:
    root = tmp_path_factory.mktemp("drawn")
    for number in range(TEST + OTHERS):
        cv2.imwrite(str(root / f"{number:03}.png"), draw_sheet(number))
    return SheetFolder(root)


@pytest.fixture(scope="module")
def tables(folder: SheetFolder) -> dict[str, pd.DataFrame]:
    """Every fourth sheet is clean; the last ones are not for testing."""
    ids = folder.sheet_ids
    masks = {one: (draw_sheet(int(one[:3])) > 200).astype(np.uint8) for one in ids}
    sheets = pd.DataFrame(
        {
            "sheet_id": ids, "path": ids, "width": 96, "height": 32, "group_id": ids,
            "sha256": [f"{int(one[:3]):064}"[::-1] for one in ids],
            "has_defect": [bool(masks[one].any()) for one in ids],
        }
    )  # fmt: skip
    marked = sheets.loc[sheets["has_defect"], ["sheet_id"]]
    rles = [run_length.encode(masks[one]) for one in marked["sheet_id"]]
    splits = sheets[["sheet_id", "group_id"]].assign(split=["test"] * TEST + ["train"] * OTHERS)
    return {
        "sheets": sheets,
        "annotations": marked.assign(class_id=1, rle=rles),
        "splits": splits,
    }


@pytest.fixture(autouse=True)
def networks(monkeypatch) -> None:
    monkeypatch.setattr(known_sheets, "load_runtime", lambda *_: BrightnessRuntime())


class Line:
    """A data folder with what the catalog holds of packages, and a clock by version."""

    def __init__(self, release: Path, folder: SheetFolder, tables: dict[str, pd.DataFrame]) -> None:
        self.release, self.folder, self.tables = release, folder, tables
        self.learned = "\n".join(short_digests(tables["sheets"]["sha256"]).iloc[TEST:])

    def build(self, version: str, lower: float = STRICT, **changes: Any) -> None:
        gate = GateSpec(
            name="none", file="gate.keras", input_size=(8, 8), temperature=1.0,
            lower_threshold=lower, upper_threshold=0.9,
        )  # fmt: skip
        segmenter = SegmenterSpec(name="none", file="u.keras", postprocessing=(SETTINGS,))
        known = {"class_names": ("pit",), "networks": {"gate": version, "segmenter": "s"}}
        learned = changes.pop("learned", self.learned)
        manifest = Manifest(gate=gate, segmenter=segmenter, **(known | changes))
        files = {"gate.keras": version, "u.keras": "u", LEARNED_SHEETS: learned}
        writers = {k: partial(write_text, text) for k, text in files.items() if text is not None}
        path = str(self.release / "model_package")
        VersionedPackageDataset(filepath=path, version=Version(None, version)).save(
            PackageContents(manifest, writers)
        )

    def catalog(self, **asked: object) -> DataCatalog:
        given = {"candidate": "newest", "reason": "more data", "by": "Kim"} | asked
        log, path = str(self.release / "promotions.csv"), self.release / "promoted_package"
        versions = str(self.release / "package_versions")
        decision = str(self.release / "promotion_decision.json")
        return DataCatalog(
            {f"params:{name}": MemoryDataset(value) for name, value in given.items()}
            | {name: MemoryDataset(table) for name, table in self.tables.items()}
            | {
                "params:inspection": MemoryDataset(config()),
                "raw_sheets": MemoryDataset(self.folder, copy_mode="assign"),
                "package_versions": PackageVersionsDataset(filepath=versions),
                "earlier_promoted_package": EarlierPackageDataset(filepath=str(path)),
                "earlier_promotions": EarlierLogDataset(filepath=log, load_args=LOG),
                "promotion_decision": RecordDataset(
                    record="steel_defects.evaluation.promotion.Promotion", filepath=decision
                ),
                "promotions": LogDataset(filepath=log, load_args=LOG),
                "promoted_package": ModelPackageDataset(filepath=str(path)),
            }
        )

    def promote(self, **asked: object) -> None:
        SequentialRunner().run(create_pipeline(), self.catalog(**asked))

    @property
    def promoted(self) -> str:
        return read_package(self.release / "promoted_package").manifest.version

    @property
    def decision(self) -> dict[str, Any]:
        return json.loads(read_package(self.release / "promoted_package").read(DECISION))

    @property
    def log(self) -> pd.DataFrame:
        return pd.read_csv(self.release / "promotions.csv", **LOG)


@pytest.fixture
def line(tmp_path, folder, tables) -> Line:
    return Line(tmp_path / "09_release", folder, tables)


def test_better_and_equal_are_taken_and_worse_is_refused(line):
    line.build(FIRST, LAX)
    line.promote()
    assert line.promoted == FIRST
    assert line.decision["why"] == "the first needs no comparison"
    assert (line.decision["test_reads"], line.decision["sheets"]) == (0, 0)

    line.build(SECOND, STRICT)
    line.promote(candidate=SECOND, by=" Lee ", reason="sees single spots")
    decision = line.decision
    assert line.promoted == SECOND
    assert (decision["by"], decision["reason"]) == ("Lee", "sees single spots")
    assert (decision["replaces"], decision["sheets"], decision["test_reads"]) == (FIRST, TEST, 1)
    recall = next(one for one in decision["figures"] if one["metric"] == "recall")
    assert recall["candidate"] == 1 and recall["promoted"] < 0.7 and recall["low"] > 0
    assert decision["decided_at"].endswith("Z")

    line.build(THIRD, LAX)
    with pytest.raises(Refused, match=f"{THIRD} is refused: accuracy 0.*stays at {SECOND}$"):
        line.promote()
    assert line.promoted == SECOND
    assert line.log["taken"].tolist() == [True, True, False]
    assert line.log["test_reads"].tolist() == [0, 1, 2]
    assert line.log["candidate"].tolist() == [FIRST, SECOND, THIRD]

    fourth = THIRD.replace("28", "29")
    line.build(fourth, STRICT + 0.001)
    line.promote()
    assert (line.promoted, line.decision["test_reads"]) == (fourth, 3)
    assert line.decision["why"].startswith("no figure is worse on 80 sheets")


def test_going_back_is_promoting_the_older_one(line):
    for version, lower in ((FIRST, LAX), (SECOND, STRICT)):
        line.build(version, lower)
        line.promote()
    line.promote(candidate=FIRST, reason="the line stops too often")
    assert line.promoted == FIRST
    assert (line.decision["replaces"], line.decision["sheets"]) == (SECOND, 0)
    assert line.decision["why"].startswith("it was promoted before")
    assert line.decision["test_reads"] == 1


def test_the_promoted_one_is_not_promoted_again(line):
    line.build(FIRST)
    line.promote()
    with pytest.raises(SteelDefectsError, match="is the promoted one already"):
        line.promote()
    assert len(line.log) == 1


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"reason": None}, r'a promotion needs reason: add --params "reason=…"'),
        ({"by": " ", "reason": ""}, r"a promotion needs by and reason"),
        ({"candidate": "2025"}, f"there is no version 2025 .* there are {FIRST}"),
    ],
)
def test_what_nobody_can_promote_is_refused_and_not_logged(line, asked, message):
    line.build(FIRST)
    with pytest.raises(SteelDefectsError, match=message):
        line.promote(**asked)
    assert not (line.release / "promotions.csv").exists()
    assert not (line.release / "promoted_package").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class_names": ("rust",)}, "its classes are others .*: rust and pit; to begin anew"),
        ({"learned": None}, "the candidate can't say which sheets it learned from"),
        ({"learned": "".join(f"{f'{n:064}'[::-1][:16]}\n" for n in range(31))},
         "49 of 80 test sheets are new to both packages, and 50 are needed"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused_and_logged(line, changes, message):
    line.build(FIRST)
    line.promote()
    line.build(SECOND, **changes)
    with pytest.raises(Refused, match=message):
        line.promote()
    assert line.promoted == FIRST
    assert line.log["sheets"].tolist() == [0, 0]
    assert line.log["test_reads"].tolist() == [0, 0]  # nobody asked about a test sheet


def test_sheets_that_are_not_there_end_the_run(line, tmp_path):
    line.build(FIRST)
    line.promote()
    line.build(SECOND)
    line.folder = SheetFolder(tmp_path)
    with pytest.raises(SteelDefectsError, match=r"000\.png of .* cannot be judged: .*raw_dir=PATH"):
        line.promote()
    assert line.promoted == FIRST


@pytest.mark.parametrize("moved", range(4))
def test_killed_in_between_there_is_one_whole_package(line, monkeypatch, moved):
    line.build(FIRST, LAX)
    line.promote()
    line.build(SECOND, STRICT)
    replace, calls = Path.replace, iter(range(moved))

    def killed(path: Path, target: Path) -> Path:
        if "promoted_package" in str(target) and next(calls, None) is None:
            raise KeyboardInterrupt
        return replace(path, target)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "replace", killed)
        line.promote()
    assert (line.promoted, line.decision["candidate"]) == (SECOND, SECOND)


def test_killed_while_it_is_copied_the_old_one_stays(line, monkeypatch):
    line.build(FIRST, LAX)
    line.promote()
    line.build(SECOND, STRICT)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("shutil.copyfile", killed)
        line.promote()
    assert (line.promoted, line.decision["candidate"]) == (FIRST, FIRST)
    line.promote()
    assert line.promoted == SECOND


# === The package in use ===


def in_use(line: Line, given: str | None = None) -> str:
    path = given or str(line.release / "model_package")
    return PackageInUseDataset(filepath=path, given=given).load().folder.name


def test_inspection_takes_the_promoted_one_once_it_is_there(line):
    line.build(FIRST)
    assert in_use(line) == "model_package"
    line.promote()
    line.build(SECOND)
    assert in_use(line) == "promoted_package"
    newest = line.release / "model_package"
    assert in_use(line, str(newest)) == "model_package"
    elsewhere = newest.rename(line.release / "mine")
    assert PackageInUseDataset(filepath=str(elsewhere)).load().folder.name == "mine"
    assert "promoted)" in read_package(line.release / "promoted_package").in_words


def test_a_version_is_loaded_by_its_name(line):
    for version in (FIRST, SECOND):
        line.build(version)
    path = str(line.release / "model_package")
    for asked, found in ((None, SECOND), (FIRST, FIRST)):
        stored = VersionedPackageDataset(filepath=path, version=Version(asked, THIRD))
        assert stored.load().manifest.version == found
    with pytest.raises(Exception, match="a clock is wrong"):
        VersionedPackageDataset(filepath=path, version=Version(None, FIRST)).check_target()


def test_the_log_is_added_to_and_never_repeated(tmp_path):
    path = str(tmp_path / "log" / "promotions.csv")
    log, earlier = (kind(filepath=path, load_args=LOG) for kind in (LogDataset, EarlierLogDataset))
    assert earlier.exists() and earlier.load().empty and not log.exists()
    row = pd.DataFrame({"by": ["007"], "reason": ["a, b"], "taken": [True], "sheets": [3]})
    for table in (row, row.assign(taken=False), row):
        log.save(table)
    assert earlier.load()["taken"].tolist() == [True, False]
    assert earlier.load()["by"].tolist() == ["007", "007"]
    with pytest.raises(Exception, match="only read"):
        earlier.save(row)
