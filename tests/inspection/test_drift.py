import logging

import cv2
import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest
from tests.support.sheet_jobs import BrightnessRuntime, config, inspection, write_sheets

from steel_defects.data.appearance import frame_statistics
from steel_defects.data.config import SampleDataConfig
from steel_defects.data.synthetic import draw_sheet
from steel_defects.inspection import drift
from steel_defects.inspection.config import DriftConfig
from steel_defects.inspection.drift import MEASURES, Distribution, DriftMonitor, as_record, psi_band
from steel_defects.inspection.job import run_job
from steel_defects.inspection.sources import open_source
from steel_defects.inspection.store import records
from steel_defects.package.build import reference_quantiles

pytestmark = pytest.mark.slow

PART = 200
FRAMES = MEASURES[:3]


def quantiles(values: np.ndarray, steps: int = 100, **options: str) -> list[float]:
    return np.quantile(values, np.linspace(0, 1, steps + 1), **options).tolist()


def test_a_distribution_of_deciles():
    known = Distribution([(1.0, list(range(11)))])
    values = [-1, 0, 0.5, 3, 7.25, 10, 11]
    np.testing.assert_allclose(known.below(values, True), [0, 0, 0.05, 0.3, 0.725, 1, 1])
    np.testing.assert_allclose(known.below(values, False), [0, 0, 0.05, 0.3, 0.725, 1, 1])
    np.testing.assert_allclose(known.edges(), range(1, 10))


def test_equal_quantiles_are_a_step():
    known = Distribution([(1.0, [0.0, 0.0, 0.0, 1.0, 2.0])])
    np.testing.assert_allclose(known.below([0, 1], False), [0, 0.75])
    np.testing.assert_allclose(known.below([-1, 0, 1], True), [0, 0.5, 0.75])


def test_a_mixed_distribution():
    mixed = Distribution([(0.1, [0.0, 1.0]), (0.9, [0.5, 1.0])])
    np.testing.assert_allclose(mixed.below([0.25, 0.5, 0.75], True), [0.025, 0.05, 0.525])


def test_statistics_of_known_values():
    monitor = DriftMonitor({"contrast": list(range(11)), "sheets": [1e6]}, DriftConfig())
    values = np.random.default_rng(0).uniform(2, 12, 60)
    found = monitor.compare({"contrast": values})["contrast"]
    # The reference's quantiles are dense enough here for a distance within 1 % of the exact one.
    exact = kstest(values, lambda x: np.clip(np.asarray(x) / 10, 0, 1)).statistic
    assert exact - 0.05 < found.ks <= exact
    counts = np.histogram(values.clip(0, 9.99), bins=np.arange(11))[0] + 0.5
    shares = counts / counts.sum()
    assert found.psi == pytest.approx(((shares - 0.1) * np.log(shares / 0.1)).sum())
    assert found.alarm


def test_what_is_not_compared():
    monitor = DriftMonitor({"contrast": [1.0, 2.0], "sheets": [200.0]}, DriftConfig())
    assert monitor.compare({"contrast": [1.5] * 49, "brightness": [3.0] * 99}) == {}
    assert set(monitor.compare({"contrast": [1.5] * 50})) == {"contrast"}
    assert DriftMonitor({}, DriftConfig()).compare({"contrast": [1.5] * 99}) == {}


@pytest.mark.parametrize(("sheets", "counted"), [({}, "an unknown number of"), (199.0, "199")])
def test_a_reference_of_few_sheets_is_compared_with_nothing(sheets, counted):
    reference = {"contrast": [1.0, 2.0]} | ({"sheets": [sheets]} if sheets else {})
    monitor = DriftMonitor(reference, DriftConfig(expected_defect_share=0.1))
    assert monitor.compare({"contrast": [9.0] * 99}) == {}
    reason = f"the package's reference is of {counted} sheets, and 200 are needed"
    assert monitor.untested == reason
    noted = {"contrast": {"psi": 9.0, "psi_band": 1.0, "ks": 1.0, "ks_band": 0.1, "alarm": True}}
    part = {"part": 0, "first": "a", "last": "b", "drift": noted}  # as an earlier release did
    drift = records._DriftSummary(reason)
    drift.add(part)
    assert drift.result() | {"worst": {}, "first_alarms": []} == drift.result()
    assert (drift.result()["status"], drift.result()["alarm"]) == ("not tested", False)
    assert drift.result()["untested_because"] == reason


@pytest.mark.parametrize("sheets", [40, 2000])
def test_parts_of_the_reference_are_beyond_its_band_as_rarely_as_stated(sheets, monkeypatch):
    """At a rate that can be measured: 300 parts at 5 % give 15, over 28 with odds of 1:1000."""
    rng = np.random.default_rng(3)
    known = {name: rng.gamma(4, 25, sheets) for name in FRAMES}
    reference = {name: quantiles(values, method="inverted_cdf") for name, values in known.items()}
    monkeypatch.setattr(drift, "LEAST_REFERENCE", 40)
    reference["sheets"] = [sheets]
    monitor = DriftMonitor(reference, DriftConfig(false_alarm_rate=0.05))
    parts = [{n: rng.choice(v, PART) for n, v in known.items()} for _ in range(300)]
    found = [monitor.compare(part).values() for part in parts]
    assert 0 < sum(any(c.beyond for c in part) for part in found) <= 28
    assert sum(any(c.alarm for c in part) for part in found) <= (28 if sheets > PART else 0)


def test_what_a_reference_s_chance_explains_is_no_alarm(monkeypatch):
    monkeypatch.setattr(drift, "LEAST_REFERENCE", 30)
    rng = np.random.default_rng(5)
    alarms = beyond = 0
    for _ in range(40):
        reference = {"contrast": quantiles(rng.normal(size=30), method="inverted_cdf")}
        monitor = DriftMonitor({**reference, "sheets": [30.0]}, DriftConfig())
        found = monitor.compare({"contrast": rng.normal(size=PART)})["contrast"]
        alarms, beyond = alarms + found.alarm, beyond + found.beyond
    assert beyond > 10
    assert alarms == 0
    shifted = monitor.compare({"contrast": rng.normal(4, 1, size=PART)})["contrast"]
    assert shifted.alarm


def test_bands_narrow_with_the_sheets():
    tenths = (0.1,) * 10
    bands = [psi_band(sheets, tenths, 1e-3) for sheets in (50, 200, 800)]
    # In large parts the index times the sheets has a chi-squared distribution: 27.9 at 1 in 1000.
    assert bands[0] > 4 * bands[1] * 0.9 > 16 * bands[2] * 0.7
    assert 800 * bands[2] == pytest.approx(27.9, rel=0.05)
    assert psi_band(200, tenths, 1e-7) > psi_band(200, tenths, 1e-5) > bands[1]
    assert psi_band(200, tenths, 1e-3, 30) > 4 * bands[1]


@pytest.fixture(scope="module")
def drawn() -> list[np.ndarray]:
    settings = SampleDataConfig(seed=2, sheets=48, new_sheets=1, width=320, height=64)
    return [draw_sheet(settings, index).image for index in range(48)]


@pytest.mark.parametrize(
    ("change", "alarmed"),
    [
        (lambda image: image, set()),
        (lambda image: cv2.GaussianBlur(image, (0, 0), 2), {"sharpness"}),
        (lambda image: cv2.convertScaleAbs(image, alpha=1.2), {"brightness", "contrast"}),
    ],
)
def test_sheets_that_were_disturbed(drawn, change, alarmed):
    reference = reference_quantiles(drawn, None) | {"sheets": [1000.0]}
    monitor = DriftMonitor(reference, DriftConfig())
    table = pd.DataFrame([frame_statistics(change(image)) for image in drawn])
    rng = np.random.default_rng(1)
    for _ in range(20):
        part = table.iloc[rng.integers(len(table), size=PART)]
        found = monitor.compare({name: part[name] for name in FRAMES})
        names = {name for name, values in found.items() if values.alarm}
        assert names >= alarmed
        assert bool(names) == bool(alarmed)


def test_scores_are_compared_at_the_expected_share():
    """Reference sheets are 71 % defective, the line's 5 %."""
    rng = np.random.default_rng(0)
    defective, clean = rng.beta(5, 2, 5000), rng.beta(2, 9, 5000)
    table = pd.DataFrame(
        {
            "split": "validation", "repeat": np.nan,
            "has_defect": [True] * 3550 + [False] * 1450,
            "score": np.r_[defective[:3550], clean[:1450]],
        }
    )  # fmt: skip
    reference = reference_quantiles([], table) | {"sheets": [5000.0]}
    line = np.r_[rng.choice(defective, 10), rng.choice(clean, 190)]
    for share, alarm in ((None, True), (0.05, False), (0.5, True)):
        monitor = DriftMonitor(reference, DriftConfig(expected_defect_share=share))
        assert monitor.compare({"gate_score": line})["gate_score"].alarm == alarm
    assert not DriftMonitor({}, DriftConfig(expected_defect_share=0.05)).reweighted


def test_an_alarm_is_in_the_summary_and_in_the_log(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(drift, "_LEAST_SHEETS", 20)
    write_sheets(tmp_path / "sheets", 60)
    setup = inspection(
        open_source(tmp_path / "sheets"),
        config(part_sheets=30, drift=DriftConfig(expected_defect_share=0.1)),
        BrightnessRuntime(),
        reference={
            "brightness": [10.0, 11.0, 12.0],
            "contrast": [0.0, 100.0],
            "sheets": [1000.0],
        },
    )
    with caplog.at_level(logging.WARNING):
        result = run_job(setup, tmp_path / "jobs", pd.DataFrame())
    summary = result.summary(setup.package)["drift"]
    assert summary["alarm"]
    assert summary["status"] == "alarm"
    assert summary["parts_tested"] == summary["parts_alarmed"] == 2
    assert summary["parts_unsure"] == 0
    assert summary["first_alarms"][0]["first"] == "sheet_0000.png"
    assert "brightness" in summary["first_alarms"][0]["measures"]
    assert summary["worst"]["brightness"]["ks"] == 1.0
    said = [record.getMessage() for record in caplog.records]
    assert sum("drift: brightness of the sheets sheet_0030.png to" in text for text in said) == 1
    assert sum("no scores by class" in text for text in said) == 1


def test_a_reference_without_spread_does_not_end_the_summary():
    settings = DriftConfig()
    monitor = DriftMonitor({"sheets": [200.0], "gate_score": [0.0] * 101}, settings)
    found = as_record(monitor.compare({"gate_score": [0.0] * 50}))
    drift = records._DriftSummary("")
    for part in range(2):
        drift.add({"part": part, "first": "a", "last": "b", "drift": found})
    assert drift.result()["parts_tested"] == 2
    assert drift.result()["status"] == "no alarm"


def test_an_alarm_that_is_not_sure_is_none():
    values = {"psi": 0.5, "psi_band": 0.2, "ks": 0.1, "ks_band": 0.2}
    part = {"part": 0, "first": "a", "last": "b"}
    for noted in ({"alarm": False}, {"alarm": True, "sure": False}):  # now, and in earlier releases
        drift = records._DriftSummary("")
        drift.add(part | {"drift": {"contrast": values | noted}})
        found = drift.result()
        assert (found["alarm"], found["status"], found["parts_unsure"]) == (False, "no alarm", 1)
        assert found["worst"]["contrast"]["alarm"] is False
