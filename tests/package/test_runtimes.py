"""Choosing what runs the networks of a package, without any runtime."""

import logging
from functools import partial
from shutil import copyfile
from types import SimpleNamespace

import numpy as np
import pytest

from steel_defects.errors import SteelDefectsError
from steel_defects.images.reading import resize
from steel_defects.package import runtimes
from steel_defects.package.folder import ModelPackage, read_package, write_package
from steel_defects.package.manifest import ExportSpec, ParityResult
from steel_defects.package.networks import ExecutionConfig
from steel_defects.package.runtimes import (
    DeferredRuntime,
    Segmenter,
    choose_exports,
    fit_sheet,
    name_of,
)
from steel_defects.prediction import inference


def spec(network: str, runtime: str, precision: str, ms: float, passed: bool | None = True):
    parity = None
    if passed is not None:
        parity = ParityResult(
            passed=passed, sheets=9, max_difference=0.0, tolerance=None, changed_verdicts=0,
            dice_change=0.0,
        )  # fmt: skip
    return ExportSpec(
        network=network, runtime=runtime, precision=precision,
        files=(f"{network}.{runtime}_{precision}",), parity=parity, ms_per_sheet=ms,
    )  # fmt: skip


EXPORTS = (
    spec("gate", "openvino", "fp32", 9.0),
    spec("gate", "openvino", "int8", 3.0, passed=False),
    spec("gate", "litert", "int8", 1.0, passed=None),
    spec("gate", "onnx", "fp32", 8.0),
    spec("segmenter", "openvino", "fp32", 90.0),
    spec("segmenter", "openvino", "int8", 30.0),
    spec("segmenter", "litert", "fp16", 20.0),
)


@pytest.fixture
def exported(package: ModelPackage, tmp_path) -> ModelPackage:
    manifest = package.manifest.model_copy(update={"exports": EXPORTS})
    names = [*package.manifest.files, *(name for one in EXPORTS for name in one.files)]

    def write(path):
        data = package.path(path.name).read_bytes() if path.suffix == ".keras" else b"export"
        path.write_bytes(data)

    return write_package(tmp_path / "exported", manifest, dict.fromkeys(names, write))


@pytest.fixture
def installed(monkeypatch) -> set[str]:
    there = {"keras", "openvino", "onnx", "litert"}
    monkeypatch.setattr(runtimes, "is_installed", there.__contains__)
    return there


def chosen(package: ModelPackage, name: str) -> dict[str, str]:
    return {key: name_of(value) for key, value in choose_exports(package, name).items()}


def refusal(package: ModelPackage, name: str) -> str:
    with pytest.raises(SteelDefectsError) as error:
        choose_exports(package, name)
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("name", "gate", "segmenter"),
    [
        ("auto", "onnx_fp32", "litert_fp16"),
        ("keras", "keras", "keras"),
        ("openvino", "openvino_fp32", "openvino_int8"),
        ("openvino_fp32", "openvino_fp32", "openvino_fp32"),
    ],
)
def test_each_network_runs_on_the_fastest_that_passed(exported, installed, name, gate, segmenter):
    assert chosen(exported, name) == {"gate": gate, "segmenter": segmenter}


def test_what_is_not_installed_is_passed_over(exported, installed):
    installed -= {"onnx", "litert"}
    assert chosen(exported, "auto") == {"gate": "openvino_fp32", "segmenter": "openvino_int8"}
    installed -= {"openvino"}
    assert chosen(exported, "auto") == {"gate": "keras", "segmenter": "keras"}
    assert "not installed" in refusal(exported, "openvino")
    installed.clear()
    assert "no export of its gate" in refusal(exported, "auto")
    assert "Keras is not" in refusal(exported, "keras")


def test_a_package_without_exports_runs_on_keras(package, installed):
    assert chosen(package, "auto") == {"gate": "keras", "segmenter": "keras"}


@pytest.mark.parametrize("name", ["tensorrt", "openvino_int4", "keras_fp32", "auto_int8", ""])
def test_names_that_there_are_not(exported, installed, name):
    assert f"no runtime {name}" in refusal(exported, name)


@pytest.mark.parametrize("name", ["openvino_int8", "litert_int8", "onnx_fp32"])
def test_exports_that_the_package_does_not_have(exported, installed, name):
    message = refusal(exported, name)
    assert f"not for {name}" in message
    assert str(exported.folder) in message


def test_exports_do_not_change_which_model_it_is(package, exported):
    assert read_package(exported.folder).model_id == package.model_id
    assert exported.thresholds_id == package.thresholds_id


def test_an_export_without_a_checksum_is_refused(package, tmp_path):
    manifest = package.manifest.model_copy(update={"exports": EXPORTS[:1]})
    writers = {name: partial(copyfile, package.path(name)) for name in package.manifest.files}
    folder = write_package(tmp_path / "other", manifest, writers).folder
    with pytest.raises(SteelDefectsError, match=r"no checksum for gate\.openvino_fp32"):
        read_package(folder)


@pytest.mark.parametrize("size", [(30, 70), (64, 128), (90, 200)])
def test_a_sheet_of_another_size_is_reduced_to_what_the_gate_would_see(size):
    image = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    fitted = fit_sheet(image, (16, 32), (64, 128))
    assert fitted.shape == (64, 128)
    expected = image if size == (64, 128) else None
    if expected is not None:
        np.testing.assert_array_equal(fitted, expected)
    else:
        np.testing.assert_array_equal(resize(fitted, (16, 32)), resize(image, (16, 32)))
    assert fit_sheet(image, (16, 32), None) is image


class Copies:
    """A network of one class whose map is the picture itself."""

    parallel = 1

    def predict(self, sheets: np.ndarray) -> list[np.ndarray]:
        assert sheets[0].size <= 64 * 128
        return [sheets / np.float32(255), sheets.max(axis=(1, 2)) / np.float32(255)]


def test_large_sheets_are_segmented_in_tiles_among_others(monkeypatch):
    monkeypatch.setattr(inference, "LARGEST_WHOLE", 64 * 128)
    monkeypatch.setattr(inference, "_TILE", (64, 128))
    monkeypatch.setattr(inference, "_SHARED", 32)
    rng = np.random.default_rng(0)
    sheets = [rng.integers(0, 256, size, np.uint8) for size in [(40, 90), (150, 333), (64, 128)]]
    segmenter = Segmenter(Copies(), "flips")
    answers = [*segmenter.segment_many(sheets), *map(segmenter.segment, sheets)]
    for sheet, found in zip(2 * sheets, answers, strict=True):
        np.testing.assert_array_equal(found.maps[..., 0], sheet)
        assert found.presence == sheet.max() / np.float32(255)


@pytest.mark.parametrize(("name", "hints"), [("auto", 1), ("keras", 0)])
def test_networks_are_loaded_when_a_sheet_is_asked_about(
    package, installed, monkeypatch, caplog, name, hints
):
    asked = []

    class Loaded:
        parallel = 2

        def gate_score(self, image):
            return 0.5

    monkeypatch.setattr(runtimes, "load_runtime", lambda *given: asked.append(given) or Loaded())
    runtime = DeferredRuntime(package, name, ExecutionConfig())
    assert runtime.names == {"gate": "keras", "segmenter": "keras"} and asked == []
    with caplog.at_level(logging.INFO):
        assert (runtime.parallel, runtime.gate_score(None)) == (2, 0.5)
    assert asked == [(package, name, ExecutionConfig())]
    assert caplog.text.count("kedro run --pipelines=deployment makes them") == hints


def test_a_package_with_exports_needs_no_hint(exported, installed, monkeypatch, caplog):
    monkeypatch.setattr(runtimes, "load_runtime", lambda *given: SimpleNamespace(parallel=1))
    runtime = DeferredRuntime(exported, "auto", ExecutionConfig())
    assert runtime.names == {"gate": "onnx_fp32", "segmenter": "litert_fp16"}
    with caplog.at_level(logging.INFO):
        assert runtime.parallel == 1
    assert caplog.text == ""
    with pytest.raises(SteelDefectsError, match="there is no runtime abacus"):
        DeferredRuntime(exported, "abacus", ExecutionConfig())
