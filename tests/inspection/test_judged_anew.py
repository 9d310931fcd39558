"""Limits and ignored classes that change after the networks have spoken."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.inspection.test_follow import FAST
from tests.inspection.test_job import CountingRuntime
from tests.support.sheet_jobs import SETTINGS, config, inspection, loaded, write_sheets

from steel_defects.decision.postprocessing import SheetPrediction
from steel_defects.errors import SteelDefectsError
from steel_defects.inspection.cascade import Cascade
from steel_defects.inspection.console import Stop
from steel_defects.inspection.follow import follow_folder
from steel_defects.inspection.job import Inspection, run_job
from steel_defects.inspection.sources import open_source
from steel_defects.inspection.tables import JobResult

SHEETS = 24
RULES = {
    "ignored": {"ignore_classes": ["crack"]},
    "both ignored": {"ignore_classes": [1, 2]},
    "larger": {"limits": {1: {"area_px": 70}, "crack": {"area_px": 60, "count": 1}}},
    "severities": {
        "severity_area_px": {"minor": 0, "major": 60},
        "severity_by_class": {"crack": {"major": {"count": 2}}},
    },
}


class TwoClasses(CountingRuntime):
    """Takes bright pixels at the left for pits, others for cracks."""

    def segment(self, image: np.ndarray) -> SheetPrediction:
        maps = np.repeat(super().segment(image).maps, 2, axis=2)
        maps[:, 25:, 0] = maps[:, :25, 1] = 0
        return SheetPrediction(maps, np.array([0.9, 0.9], np.float32))


def set_up(sheets: Path, runtime: TwoClasses, **values: object) -> Inspection:
    names = ("pit", "crack")
    settings = config(**values).for_classes(names)
    setup = inspection(open_source(sheets), settings, runtime)
    manifest = setup.package.manifest
    segmenter = manifest.segmenter.model_copy(update={"postprocessing": (SETTINGS, SETTINGS)})
    changes = {"class_names": names, "segmenter": segmenter}
    package = replace(setup.package, manifest=manifest.model_copy(update=changes))
    return replace(setup, package=package, cascade=Cascade(package, runtime, settings))


def run(sheets: Path, jobs: Path, runtime: TwoClasses, **values: object) -> JobResult:
    return run_job(set_up(sheets, runtime, **values), jobs, pd.DataFrame())


@pytest.fixture(scope="module")
def sheets(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sheets") / "sheets"
    write_sheets(folder, SHEETS)
    return folder


@pytest.fixture(scope="module")
def jobs(sheets, tmp_path_factory) -> Path:
    """The sheets were inspected once, by the default limits."""
    folder = tmp_path_factory.mktemp("jobs")
    run(sheets, folder, TwoClasses())
    return folder


def assert_same(result: JobResult, expected: JobResult, package) -> None:
    for table, other in zip(result.tables(), expected.tables(), strict=True):
        pd.testing.assert_frame_equal(loaded(table), loaded(other), check_exact=True)
    assert result.summary(package) == expected.summary(package)


@pytest.mark.parametrize("rules", RULES)
def test_other_rules_give_what_a_full_run_gives_and_ask_no_network(sheets, jobs, tmp_path, rules):
    fresh, idle = TwoClasses(), TwoClasses()
    expected = run(sheets, tmp_path, fresh, **RULES[rules])
    result = run(sheets, jobs, idle, **RULES[rules])
    assert fresh.asked > 0 and idle.asked == 0
    assert_same(result, expected, set_up(sheets, idle).package)


def test_a_job_that_lies_half_done_is_gone_on_with(sheets, jobs, tmp_path):
    first, second, whole = TwoClasses(12), TwoClasses(), TwoClasses()
    with pytest.raises(RuntimeError):
        run(sheets, tmp_path / "jobs", first)
    result = run(sheets, tmp_path / "jobs", second, **RULES["ignored"])
    expected = run(sheets, tmp_path / "other", whole, **RULES["ignored"])
    assert first.asked + second.asked == whole.asked
    assert_same(result, expected, set_up(sheets, whole).package)


def test_regions_of_ignored_classes_are_counted_apart(sheets, jobs):
    package = set_up(sheets, TwoClasses()).package
    before = run(sheets, jobs, TwoClasses())
    after = run(sheets, jobs, TwoClasses(), ignore_classes="pit")
    verdicts, defects, submission = (loaded(table) for table in after.tables())
    earlier, *_, earlier_submission = (loaded(table) for table in before.tables())
    pd.testing.assert_frame_equal(submission, earlier_submission)
    pits = defects["class_name"] == "pit"
    assert (defects["ignored"] == pits).all()
    assert verdicts["ignored_count"].sum() == pits.sum() > 0
    assert verdicts["defect_count"].sum() == (~pits).sum() > 0
    assert not any("pit" in names for names in verdicts["classes"])
    rejected = verdicts["verdict"] == "reject"
    assert rejected.sum() == verdicts["classes"].str.len().gt(0).sum()
    spared = ~rejected & (earlier["verdict"] == "reject")
    assert verdicts["reason"][spared].str.fullmatch(r"ignored classes only: \d regions?").all()
    assert spared.any()
    summary = after.summary(package)
    assert summary["defects_by_class"] == {"pit": 0, "crack": (~pits).sum()}
    assert summary["ignored_by_class"] == {"pit": pits.sum(), "crack": 0}
    assert summary["rules"]["ignored_classes"] == ["pit"]
    assert summary["rules"]["limits"] == {"crack": {"area_px": 0}}


@pytest.mark.parametrize("key", ["dent", "3", 0, ""])
def test_a_class_that_there_is_not_is_refused_in_one_line(key):
    for values in ({"ignore_classes": [key]}, {"limits": {key: {"count": 1}}}):
        with pytest.raises(SteelDefectsError) as error:
            config(**values).for_classes(("pit", "crack"))
        assert str(error.value) == (
            f"the parameters of inspection name a class {key}; the package has 1 pit, 2 crack"
        )


@pytest.mark.parametrize("given", [2, "2", "crack", ["crack"], [2, "crack"]])
def test_classes_are_given_by_number_or_name(given):
    assert config(ignore_classes=given).for_classes(("pit", "crack")).ignore_classes == (2,)


@pytest.mark.slow
def test_a_watched_folder_is_judged_anew_when_its_sheets_are_gone(tmp_path):
    """And goes on, from rules to rules."""
    sheets, jobs, stop = tmp_path / "sheets", tmp_path / "jobs", Stop()

    def follow(count: int, runtime: TwoClasses, **rules: object) -> pd.DataFrame:
        write_sheets(sheets, count)
        left = [count]

        def on_sheet(*_: object) -> None:
            left[0] -= 1
            stop.requested = left[0] == 0

        stop.requested = count == 0
        setup = set_up(sheets, runtime, **FAST, **rules)
        result = follow_folder(setup, jobs, lambda folder: on_sheet, stop)
        for path in sheets.iterdir():
            path.unlink()
        return loaded(result.tables()[0]).set_index("sheet_id")

    before = follow(12, TwoClasses())
    idle = TwoClasses()
    after = follow(0, idle, **RULES["both ignored"])
    assert idle.asked == 0
    assert after.index.tolist() == before.index.tolist()
    assert (before["verdict"] == "reject").any() and not (after["verdict"] == "reject").any()
    again = follow(0, idle)
    pd.testing.assert_frame_equal(again, before)
