from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pandas as pd
import pytest

from steel_defects import tables as schemas
from steel_defects.decision.fusion import StackedScore
from steel_defects.decision.postprocessing import ClassPostprocessing, SheetPrediction
from steel_defects.images.folder import SheetFolder
from steel_defects.inspection import tables
from steel_defects.inspection.cascade import Cascade, InspectedSheet, inspect_folder
from steel_defects.inspection.config import DriftConfig
from steel_defects.inspection.drift import DriftMonitor
from steel_defects.inspection.frames import read_frame
from steel_defects.inspection.store.records import (
    judged_record,
    part_record,
    summarise,
    timing,
)
from steel_defects.labels import rle
from steel_defects.tables.declared import DEFECTS, VERDICTS

SCORES = {1: 0.05, 2: 0.5, 3: 0.9, 4: 0.95}


class FakeRuntime:
    """Knows a sheet by the gray value of its corner, and counts who was asked."""

    parallel = 1
    names: ClassVar[dict[str, str]] = {}

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.presence = np.array([0.9, 0.6], np.float32)

    def gate_score(self, image: np.ndarray) -> float:
        self.calls["gate"] += 1
        return SCORES[int(image[0, 0]) - 100]

    def segment(self, image: np.ndarray) -> SheetPrediction:
        self.calls["segmenter"] += 1
        maps = np.zeros((*image.shape, 2), np.uint8)
        if image[0, 0] == 103:  # a large pit, and a crack too small to keep
            maps[10:20, 10:30, 0] = 255
            maps[0, 0:3, 1] = 255
        if image[0, 0] == 104:  # a crack within limits
            maps[4:8, 50:60, 1] = 204
        return SheetPrediction(maps, self.presence)


def write(folder: Path, name: str, number: int, seed: int = 0) -> None:
    image = (
        np.random.default_rng([number, seed])
        .normal(120, 10, (40, 80))
        .clip(60, 200)
        .astype(np.uint8)
    )
    image[0, 0] = 100 + number
    cv2.imwrite(str(folder / name), image)


@pytest.fixture
def folder(tmp_path) -> SheetFolder:
    sheets = tmp_path / "sheets"
    sheets.mkdir()
    for name, number in (("a", 1), ("b", 2), ("c", 2), ("d", 3), ("f", 4)):
        write(sheets, f"{name}.png", number)
    write(sheets, "g.png", 2, seed=1)
    (sheets / "e.png").write_bytes((sheets / "d.png").read_bytes()[:200])
    cv2.imwrite(str(sheets / "h.png"), np.zeros((40, 80), np.uint8))
    return SheetFolder(sheets)


@pytest.fixture
def runtime() -> FakeRuntime:
    return FakeRuntime()


@pytest.fixture
def inspected(package, runtime, config, folder) -> list[InspectedSheet]:
    return list(inspect_folder(Cascade(package, runtime, config), folder))


def test_verdicts(inspected):
    assert [(s.sheet_id[0], s.verdict.verdict, s.verdict.reason) for s in inspected] == [
        ("a", "accept", "cleared by the gate"),
        ("b", "review", "doubtful: gate between its thresholds, no region"),
        ("c", "review", "camera: repeated frame"),
        ("d", "reject", "1 region over limits, class 1"),
        ("e", "review", "unreadable: truncated file"),
        ("f", "accept", "within limits: 1 region"),
        ("g", "review", "doubtful: gate between its thresholds, no region"),
        ("h", "review", "camera: black frame"),
    ]


def test_no_network_sees_more_than_it_must(inspected, runtime):
    # Not the repeated, the broken and the black one; and the cleared one stops at the gate.
    assert runtime.calls == {"gate": 5, "segmenter": 4}
    scores = {s.sheet_id[0]: s.gate_score for s in inspected}
    assert [scores[name] for name in "abd"] == [0.05, 0.5, 0.9]
    assert [scores[name] for name in "ceh"] == [None] * 3


def test_masks_are_post_processed(inspected):
    pit = next(s for s in inspected if s.sheet_id == "d.png")
    assert [rle.area(text) for text in pit.masks] == [200, 0]
    assert rle.decode(pit.masks[0], 40, 80)[10:20, 10:30].all()
    assert [(r.class_id, r.area_px) for r in pit.regions] == [(1, 200)]


def with_settings(package, gate=True, **values):
    """The package with other post-processing for both classes."""
    settings = ClassPostprocessing(threshold=0.5, min_area_px=4, **values)
    segmenter = package.manifest.segmenter.model_copy(update={"postprocessing": (settings,) * 2})
    changes = {"segmenter": segmenter} | ({} if gate else {"gate": None})
    return type(package)(package.folder, package.manifest.model_copy(update=changes))


@pytest.mark.parametrize("gate", [True, False])
def test_a_class_below_its_presence_cut_is_emptied(package, runtime, config, folder, gate):
    cut = with_settings(package, gate, presence_cut=0.7)
    if not gate:
        runtime.gate_score = lambda image: None
    found = {s.sheet_id: s for s in inspect_folder(Cascade(cut, runtime, config), folder)}
    assert [rle.area(text) for text in found["d.png"].masks] == [200, 0]
    # The crack of sheet f is as certain as before, but its class is there with 0.6 alone.
    assert found["f.png"].masks == ("", "")
    table = tables.submission(list(found.values())).set_index("ImageId_ClassId")["EncodedPixels"]
    assert rle.area(table["d.png_1"]) == 200
    assert table["f.png_2"] == ""
    expected = "gate without region" if gate else "no region"
    assert found["f.png"].verdict.reason == expected


@pytest.mark.parametrize(("factor", "area"), [(179.9, 40), (180.1, 0)])
def test_a_doubtful_gate_asks_for_larger_regions(package, runtime, config, folder, factor, area):
    # Sheet f scores 0.95 and its crack is 40 pixels: 4 * (1 + 180 * 0.05).
    scaled = with_settings(package, gate_area_factor=factor)
    found = Cascade(scaled, runtime, config).judge(read_frame(folder.read_file, "f.png"))
    assert rle.area(found.masks[1]) == area


def test_without_a_gate_areas_are_as_they_are(package, runtime, config, folder):
    scaled = with_settings(package, gate=False, gate_area_factor=180.1)
    runtime.gate_score = lambda image: None
    assert (
        rle.area(
            Cascade(scaled, runtime, config).judge(read_frame(folder.read_file, "f.png")).masks[1]
        )
        == 40
    )


def test_a_cascade_without_a_gate(package, runtime, config, folder, monkeypatch):
    manifest = package.manifest.model_copy(update={"gate": None})
    monkeypatch.setattr(runtime, "gate_score", lambda image: None)
    package = type(package)(package.folder, manifest)
    found = list(inspect_folder(Cascade(package, runtime, config), folder))
    assert [s.verdict.reason for s in found][:2] == ["no region", "no region"]
    assert found[0].gate_score is None
    assert runtime.calls["segmenter"] == 5


def test_out_of_focus_is_judged_by_the_package_s_reference(package, runtime, config, folder):
    manifest = package.manifest.model_copy(update={"reference": {"sharpness": [1e6, 2e6]}})
    sharp = type(package)(package.folder, manifest)
    verdict = Cascade(sharp, runtime, config).judge(read_frame(folder.read_file, "a.png")).verdict
    assert verdict.reason == "camera: out of focus"


# === Tables ===


def without_mm(package):
    """The package, of which nobody knows how long a pixel is."""
    return replace(package, manifest=package.manifest.model_copy(update={"mm_per_px": None}))


@pytest.fixture
def positions(folder) -> pd.DataFrame:
    """Sheet d lies a metre along coil K1; of f the position is known alone, of h the coil."""
    known = {"d.png": ("K1", 1000.0), "f.png": (None, 20.0), "h.png": ("K2", None)}
    rows = [(name, *known.get(name, (None, None))) for name in folder.sheet_ids]
    table = pd.DataFrame(rows, columns=["sheet_id", "coil_id", "position_mm"])
    return table.astype({"coil_id": "str", "position_mm": "float64"})


def test_verdicts_table(inspected, folder, package, config, positions):
    table = tables.verdicts_table(inspected, folder.relative_path, package, config, positions)
    schemas.verdicts.validate(table)
    columns = ["sheet_id", "coil_id", "position_mm"]
    pd.testing.assert_frame_equal(table[columns], positions, check_dtype=False)
    rows = table.set_index("sheet_id")
    assert rows.loc["d.png", ["defect_count", "defect_area_px"]].tolist() == [1, 200]
    assert np.isnan(rows.loc["e.png", "gate_score"])
    assert set(rows["model_id"]) == {package.model_id}
    assert rows["classes"].map(list).to_dict() == dict.fromkeys(folder.sheet_ids, []) | {
        "d.png": ["pitting"], "f.png": ["crack"]
    }  # fmt: skip
    assert rows["severity"].dropna().to_dict() == {"d.png": "severe", "f.png": "moderate"}
    assert set(rows["ignored_count"]) == {0}
    # Nobody asked both networks together, so that the gate's threshold of 0.2 counts.
    assert rows["joint_score"].isna().all()
    margins = {"a": -0.15, "b": 0.3, "d": 0.7, "f": 0.75, "g": 0.3}
    assert rows["margin"].dropna().rename(lambda name: name[0]).to_dict() == pytest.approx(margins)


def test_defects_table(inspected, package, config, positions):
    table = tables.defects_table(inspected, package, config, positions)
    schemas.defects.validate(table)
    assert table["sheet_id"].tolist() == ["d.png", "f.png"]
    pit = table.iloc[0]
    assert (pit["class_id"], pit["x"], pit["y"], pit["area_px"]) == (1, 10, 10, 200)
    assert (pit["area_mm2"], pit["length_mm"]) == (pytest.approx(50), pytest.approx(10))
    assert table["severity"].tolist() == ["severe", "moderate"]
    assert table["class_name"].tolist() == ["pitting", "crack"]
    assert table["ignored"].tolist() == [False, False]
    unscaled = tables.defects_table(inspected, without_mm(package), config, positions)
    schemas.defects.validate(unscaled)
    assert unscaled["area_mm2"].isna().all()


def test_a_defect_lies_as_far_along_the_coil_as_its_left_edge(
    inspected, package, config, positions
):
    table = tables.defects_table(inspected, package, config, positions)
    assert table["coil_id"].isna().tolist() == [False, True]
    assert table.loc[0, "coil_id"] == "K1"
    assert table["x"].tolist() == [10, 50]
    assert table["position_mm"].tolist() == [1005.0, 45.0]
    # Where the length of a pixel is not known, the sheet's own position is all there is.
    unscaled = tables.defects_table(inspected, without_mm(package), config, positions)
    assert unscaled["position_mm"].tolist() == [1000.0, 20.0]


def test_positions_that_are_not_known(inspected, folder, package, config, positions):
    none = positions.assign(coil_id=None, position_mm=np.nan).astype({"coil_id": "str"})
    verdicts = tables.verdicts_table(inspected, folder.relative_path, package, config, none)
    defects = tables.defects_table(inspected, package, config, none)
    schemas.verdicts.validate(verdicts)
    schemas.defects.validate(defects)
    for table in (verdicts, defects):
        assert len(table) > 0
        assert table[["coil_id", "position_mm"]].isna().all(axis=None)


def test_empty_tables(folder, package, config, positions):
    verdicts = tables.verdicts_table([], folder.relative_path, package, config, positions)
    schemas.verdicts.validate(verdicts)
    schemas.defects.validate(tables.defects_table([], package, config, positions))
    schemas.verdicts.validate(VERDICTS.empty())
    schemas.defects.validate(DEFECTS.empty())
    assert summarise([], ("pitting",))["review_share"] is None


def test_submission_and_summary(inspected, folder, package, config, positions):
    table = tables.submission(inspected)
    assert len(table) == 2 * len(inspected)
    found = table.set_index("ImageId_ClassId")["EncodedPixels"]
    assert rle.area(found["d.png_1"]) == 200
    assert found["d.png_2"] == found["e.png_1"] == ""
    verdicts = tables.verdicts_table(inspected, folder.relative_path, package, config, positions)
    defects = tables.defects_table(inspected, package, config, positions)
    record = part_record(0, inspected, 2.0, DriftMonitor({}, DriftConfig()))
    record |= judged_record(verdicts, defects, config, package.manifest.class_names)
    summary = summarise([record, record], package.manifest.class_names)
    assert summary["verdicts"] == {"accept": 4, "review": 10, "reject": 2}
    assert summary["review_share"] == 5 / 8
    assert summary["review_reasons"] == {
        "camera: black frame": 2, "camera: repeated frame": 2, "doubtful": 4, "unreadable": 2
    }  # fmt: skip
    assert summary["cleared_by_gate"] == 2
    assert summary["defects_by_class"] == {"pitting": 2, "crack": 2}
    assert summary["ignored_by_class"] == {"pitting": 0, "crack": 0}
    assert summary["rules"] == {
        "limits": {"pitting": {"area_px": 0}, "crack": {"area_px": 50, "length_px": 20}},
        "ignored_classes": [],
        "severity_area_px": {"severe": 100, "minor": 10, "moderate": 40},
        "severity_by_class": {},
    }
    assert (record["first"], record["last"]) == ("a.png", "h.png")


def test_frames_that_can_not_be_read_repeat_nothing(package, runtime, config, folder):
    write(folder.root, "i.png", 1, seed=1)
    (folder.root / "j.png").write_bytes(b"broken")
    (folder.root / "k.png").write_bytes(b"broken")
    write(folder.root, "l.png", 1, seed=1)
    found = list(inspect_folder(Cascade(package, runtime, config), SheetFolder(folder.root)))
    broken = "unreadable: not a picture"
    assert [s.verdict.reason for s in found[-4:]] == [
        "cleared by the gate", broken, broken, "camera: repeated frame"
    ]  # fmt: skip


@pytest.mark.parametrize("inspected_seconds", [[0.001 * n for n in range(1, 101)]])
def test_timing_of_parts(inspected, inspected_seconds):
    sheets = [replace(inspected[0], seconds=seconds) for seconds in inspected_seconds]
    halves = [
        part_record(n, sheets[50 * n :][:50], 4.0, DriftMonitor({}, DriftConfig())) for n in (0, 1)
    ]
    found = timing(halves)
    assert found["sheets_per_second"] == 100 / 8
    assert [found[f"ms_p{q}"] for q in (50, 90, 99)] == pytest.approx([50, 90, 99], rel=0.01)
    assert timing([])["ms_p50"] is None


def test_gate_and_segmenter_together_may_clear_a_sheet(package, runtime, config, folder):
    runtime.presence = np.array([0.02, 0.01], np.float32)
    stacked = StackedScore(gate_weight=1, segmenter_weight=1, bias=0, threshold=0.3)
    manifest = package.manifest.model_copy(update={"stacked": stacked})
    stacking = replace(package, manifest=manifest)
    assert stacking.thresholds_id != package.thresholds_id
    inspected = inspect_folder(Cascade(stacking, runtime, config), folder)
    found = {s.sheet_id[0]: s for s in inspected}
    # Not even the gate's 0.95 outweighs a presence of 0.02.
    for name in "bdfg":
        verdict = found[name].verdict
        assert (verdict.verdict, verdict.reason) == (
            "accept",
            "cleared by gate and segmenter together",
        )
        assert not found[name].regions
        assert found[name].masks == ("", "")
    assert found["a"].verdict.reason == "cleared by the gate"
    assert (found["a"].joint_score, found["a"].margin) == (None, pytest.approx(-0.15))
    joint = 1 / (1 + 49)  # odds of 1 for the gate's 0.5, of 1 to 49 for the presence
    assert found["b"].joint_score == pytest.approx(joint)
    assert found["b"].margin == pytest.approx(joint - 0.3)

    runtime.presence = np.array([0.02, 0.9], np.float32)
    inspected = inspect_folder(Cascade(stacking, runtime, config), folder)
    assert {s.sheet_id[0]: s.verdict.verdict for s in inspected}["d"] == "reject"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        cv2.error("(-4:Insufficient memory) Failed to allocate 8 bytes in 'OutOfMemoryError'"),
        RuntimeError("OOM when allocating tensor with shape[1,4096,6400,64]"),
        RuntimeError("std::bad_alloc"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_sheet_that_memory_does_not_hold_is_reviewed_and_others_go_on(
    package, config, folder, monkeypatch, error
):
    runtime = FakeRuntime()
    segment = runtime.segment

    def starved(image: np.ndarray) -> SheetPrediction:
        if image[0, 0] == 103:
            raise error
        return segment(image)

    monkeypatch.setattr(runtime, "segment", starved)
    found = {s.sheet_id: s for s in inspect_folder(Cascade(package, runtime, config), folder)}
    reviewed = found.pop("d.png")
    assert reviewed.verdict.verdict == "review"
    assert reviewed.verdict.reason == "unreadable: too large for the memory of this machine"
    assert reviewed.masks == ("", "")
    assert not any("memory" in sheet.verdict.reason for sheet in found.values())


def test_damage_is_looked_for_in_judging_and_memory_may_not_hold_that(
    package, runtime, config, folder, monkeypatch
):
    def starved(image: np.ndarray) -> str:
        raise MemoryError

    frame = read_frame(folder.read_file, "a.png")
    incomplete = replace(frame, image=frame.image.copy())
    incomplete.image[20:] = 0
    cascade = Cascade(package, runtime, config)
    assert cascade.judge(incomplete).verdict.reason == "camera: incomplete frame"
    monkeypatch.setattr("steel_defects.inspection.frames.frame_damage", starved)
    frame = read_frame(folder.read_file, "a.png")
    assert frame.problem == ""
    reason = "unreadable: too large for the memory of this machine"
    assert cascade.judge(frame).verdict.reason == reason


def test_another_error_of_a_runtime_ends_the_run(package, config, folder, monkeypatch):
    runtime = FakeRuntime()
    monkeypatch.setattr(runtime, "gate_score", {}.__getitem__)
    with pytest.raises(TypeError):
        list(inspect_folder(Cascade(package, runtime, config), folder))
