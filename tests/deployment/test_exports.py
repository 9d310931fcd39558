"""Real exports of tiny networks, by the exporters that are installed."""

import subprocess
from dataclasses import replace

import numpy as np
import pytest
from tests.deployment.conftest import Exported

from steel_defects import tables as schemas
from steel_defects.deployment import export, latency
from steel_defects.deployment.export import judged_exports
from steel_defects.deployment.parity import compare_exports
from steel_defects.package.folder import ModelPackage
from steel_defects.package.manifest import SegmenterSpec
from steel_defects.package.runtimes import ExecutionConfig, load_gate, load_runtime, load_segmenter
from steel_defects.prediction.inference import sheet_batch

pytestmark = pytest.mark.slow

LIBRARIES = {"openvino": "openvino", "onnx": "tf2onnx", "litert": "ai_edge_litert"}


@pytest.mark.parametrize("network", ["gate", "segmenter"])
@pytest.mark.parametrize(("runtime", "precision"), export.CELLS)
def test_an_export_answers_as_keras_does(
    exported: Exported, known, sheets, network, runtime, precision
):
    pytest.importorskip(LIBRARIES[runtime], reason=f"nothing to export for {runtime} with")
    if (runtime, precision) == ("openvino", "int8"):
        pytest.importorskip("nncf", reason="OpenVINO is quantised by nncf, which is not installed")
    cell = exported.cell(network, runtime, precision)
    if precision == "bf16" and cell.spec is None:
        pytest.skip(cell.reason)
    assert cell.spec is not None, cell.reason
    execution = ExecutionConfig(streams=1)
    tolerance = 1e-5 if precision == "fp32" else 0.1
    images = [image for _, image in sheets.read(sheets.parity)]
    if network == "gate":
        found = list(load_gate(exported.package, cell.spec, execution).score_many(images))
        np.testing.assert_allclose(found, [known.gate_score(i) for i in images], atol=tolerance)
        return
    segmenter = load_segmenter(exported.package, cell.spec, execution)
    for image, found in zip(images, segmenter.segment_many(images), strict=True):
        expected = known.segment(image)
        difference = np.abs(found.maps.astype(int) - expected.maps).max()
        assert difference <= max(1, 255 * tolerance)
        np.testing.assert_allclose(found.presence, expected.presence, atol=tolerance)


@pytest.mark.parametrize("runtime", LIBRARIES)
def test_sheets_are_streamed_in_their_order(exported: Exported, sheets, runtime):
    pytest.importorskip(LIBRARIES[runtime], reason=f"nothing to export for {runtime} with")
    spec = exported.cell("gate", runtime, "fp32").spec
    images = [image for _, image in sheets.read(sheets.parity)] * 3
    gate = load_gate(exported.package, spec, ExecutionConfig(streams=2))
    assert gate.network.parallel == 2
    one_by_one = [gate.score(image) for image in images]
    assert len(set(one_by_one)) > 1
    assert list(gate.score_many(iter(images))) == pytest.approx(one_by_one, abs=1e-6)
    spec = exported.cell("segmenter", runtime, "fp32").spec
    segmenter = load_segmenter(exported.package, spec, ExecutionConfig(streams=2))
    sizes = [np.ascontiguousarray(image[: 40 + 4 * n]) for n, image in enumerate(images)]
    for image, found in zip(sizes, segmenter.segment_many(sizes), strict=True):
        np.testing.assert_array_equal(found.maps, segmenter.segment(image).maps)


def test_other_sizes_than_the_gate_s_are_brought_to_it(exported: Exported, known):
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    spec = exported.cell("gate", "openvino", "fp32").spec
    assert spec.sheet_size == (64, 128)
    image = np.random.default_rng(0).integers(0, 256, (50, 90), np.uint8)
    score = load_gate(exported.package, spec, ExecutionConfig()).score(image)
    assert score == pytest.approx(known.gate_score(image), abs=1e-5)


def test_a_package_without_a_gate_says_so(
    package_without_gate, sheets, deployment, tmp_path, monkeypatch
):
    monkeypatch.setattr(export, "is_installed", lambda runtime: False)
    cells = list(export.export_networks(package_without_gate, sheets, deployment, tmp_path))
    assert {c.reason for c in cells if c.network == "gate"} == {"the package has no gate"}
    reasons = {c.runtime: c.reason for c in cells if c.network == "segmenter"}
    assert reasons["onnx"] == "the library of onnx is not installed"
    assert all(cell.spec is None for cell in cells)


def test_without_an_export_in_fp32_there_is_none_in_bf16(
    package, sheets, deployment, tmp_path, monkeypatch
):
    def broken(graph, path):
        raise RuntimeError("no such operation")

    monkeypatch.setattr(export.converters, "export_openvino", broken)
    monkeypatch.setattr(export.converters, "multiplies_bfloat16", lambda: True)
    monkeypatch.setattr(export, "is_installed", lambda runtime: runtime == "openvino")
    cells = list(export.export_networks(package, sheets, deployment, tmp_path))
    gates = [c for c in cells if (c.network, c.runtime) == ("gate", "openvino")]
    reasons = {c.precision: c.reason for c in gates}
    assert reasons["fp32"] == "cannot be exported: no such operation"
    assert reasons["bf16"].startswith("cannot be exported: there is no export in FP32")
    assert all(cell.spec is None for cell in cells)


def test_calibration_shows_sheets_as_inspection_does():
    spec = SegmenterSpec(name="unet", file="u.keras", postprocessing=(), tta="flips", stride=32)
    image = np.arange(30 * 60, dtype=np.uint16).reshape(30, 60).astype(np.uint8)
    batches = export.calibration_batches([image] * 5, spec)
    np.testing.assert_array_equal(
        np.concatenate(batches), sheet_batch(image, "flips", 32)[[0, 1, 2, 3, 0]]
    )


def test_an_export_of_another_network_is_refused(
    exported: Exported, package, sheets, deployment, inspection
):
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    kept = exported.cell("segmenter", "openvino", "fp32")
    gate = exported.cell("gate", "openvino", "fp32")
    strange = replace(gate, spec=gate.spec.model_copy(update={"files": ("gate.keras",)}))
    wrong = replace(
        kept, precision="int8", spec=gate.spec.model_copy(update={"network": "segmenter"})
    )
    missing = export.Candidate("gate", "onnx", "fp32", reason="not installed")
    table = compare_exports(exported.package, [kept, strange, wrong, missing], sheets, inspection)
    rows = table.set_index(["network", "runtime", "precision"])
    assert rows["passed"].tolist() == [True, True, True, False, False, False]
    assert rows.loc[("segmenter", "openvino", "fp32"), "max_difference"] < 1e-4
    assert rows.loc[("segmenter", "openvino", "fp32"), "sheets"] == len(sheets.parity)
    assert rows.loc[("gate", "openvino", "fp32"), "reason"].startswith("cannot be loaded: OpenVINO")
    assert "gives ?×1, but" in rows.loc[("segmenter", "openvino", "int8"), "reason"]
    assert rows.loc[("gate", "onnx", "fp32"), "reason"] == "not installed"
    latency = table[["network", "runtime", "precision"]].assign(ms_p50=2.0)
    specs = [cell.spec for cell in (kept, strange)]
    released = judged_exports(specs, table, latency)
    assert [(one.network, one.ms_per_sheet) for one in released] == [("segmenter", 2.0)]
    assert released[0].parity.passed


def test_a_released_package_runs_by_itself(passed: ModelPackage, package, known, sheets):
    names = [name for name in passed.manifest.files if not name.endswith(".keras")]
    assert len(names) == 4
    assert passed.model_id == package.model_id
    assert passed.thresholds_id == package.thresholds_id
    runtime = load_runtime(passed)
    assert runtime.names == {"gate": "openvino_fp32", "segmenter": "openvino_fp32"}
    for _, image in sheets.read(sheets.parity):
        assert runtime.gate_score(image) == pytest.approx(known.gate_score(image), abs=1e-5)


def test_every_export_is_timed_in_a_process_of_its_own(passed: ModelPackage, monkeypatch):
    monkeypatch.setattr(latency, "CELLS", (("openvino", "fp32"), ("onnx", "int8")))
    monkeypatch.setattr(latency, "NATIVE", ())
    table = latency.measure_exports(passed, (64, 128), 2)
    schemas.latency.validate(table)
    rows = table.set_index(["network", "runtime"])
    for network in ("gate", "segmenter"):
        timed = rows.loc[(network, "openvino"), list(latency.MEASURED)]
        assert (timed > 0).all(), rows.loc[(network, "openvino"), "reason"]
        # A process with Keras in it takes many hundred.
        assert timed["peak_memory_mb"] < 500
        assert rows.loc[(network, "onnx"), "reason"] == "see export_parity"


def test_an_export_that_takes_too_long_has_a_row_that_says_so(passed: ModelPackage, monkeypatch):
    def run(*args, timeout, **kwargs):
        raise subprocess.TimeoutExpired(args[0], timeout)

    monkeypatch.setattr(latency.subprocess, "run", run)
    table = latency.measure_exports(passed, (64, 128), 2)
    measured = table[table["reason"] == "cannot be measured: it took more than 1800 s"]
    assert len(measured) >= 2
