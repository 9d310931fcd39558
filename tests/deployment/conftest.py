"""A tiny package whose batch norm has seen something, and sheets for it."""

from pathlib import Path

import cv2
import keras
import numpy as np
import pandas as pd
import pytest

from steel_defects.decision.postprocessing import ClassPostprocessing
from steel_defects.deployment import export
from steel_defects.deployment.config import DeploymentConfig, DeploymentSheets, choose_sheets
from steel_defects.deployment.export import with_exports
from steel_defects.images.orientations import HALF_TURN
from steel_defects.inspection.config import InspectionConfig
from steel_defects.models.backbones import in_orientations
from steel_defects.models.config import UNetConfig
from steel_defects.models.segmenters import build_segmenter
from steel_defects.package.folder import ModelPackage, write_package
from steel_defects.package.manifest import GateSpec, Manifest, ParityResult, SegmenterSpec
from steel_defects.package.runtimes import PackageRuntime, load_runtime

SHEET, INPUT = (64, 128), (32, 64)


def vary(model: keras.Model) -> keras.Model:
    """Give batch norm statistics that are not those it starts with, and biases a meaning."""
    rng = np.random.default_rng(0)
    weights = [
        value + rng.uniform(0.05, 0.4, value.shape) if value.ndim == 1 else value
        for value in model.get_weights()
    ]
    model.set_weights(weights)
    return model


def build_gate() -> keras.Model:
    keras.utils.set_random_seed(0)
    sheet = keras.Input((*INPUT, 1))
    both = in_orientations(sheet, HALF_TURN)
    x = keras.layers.Conv2D(4, 3, strides=2)(keras.ops.multiply(both, 1 / 255))
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.GlobalMaxPooling2D()(keras.layers.Activation("relu")(x))
    x = keras.ops.mean(keras.ops.reshape(x, (2, -1, 4)), axis=0)
    x = keras.layers.Dense(4, "leaky_relu")(x)
    return vary(keras.Model(sheet, keras.layers.Dense(1, "sigmoid")(x)))


def write(folder: Path, gate: keras.Model | None, segmenter: keras.Model) -> ModelPackage:
    spec = GateSpec(
        name="mobilenet_v2", file="gate.keras", input_size=INPUT, temperature=1.5, bias=-0.5,
        lower_threshold=0.2, upper_threshold=0.8,
    )  # fmt: skip
    values = ClassPostprocessing(threshold=0.5, min_area_px=4)
    manifest = Manifest(
        class_names=("pitting", "crack"),
        gate=spec if gate else None,
        segmenter=SegmenterSpec(
            name="unet", file="segmenter.keras", postprocessing=(values, values)
        ),
    )
    writers = {"segmenter.keras": segmenter.save}
    if gate:
        writers["gate.keras"] = gate.save
    return write_package(folder, manifest, writers)


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    segmenter = vary(build_segmenter(UNetConfig(filters=(4, 8), presence_head=True), 2, 0))
    return write(tmp_path_factory.mktemp("package") / "package", build_gate(), segmenter)


@pytest.fixture(scope="session")
def package_without_gate(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    segmenter = vary(build_segmenter(UNetConfig(filters=(4, 8)), 2, 0))
    return write(tmp_path_factory.mktemp("without") / "package", None, segmenter)


@pytest.fixture(scope="session")
def sheets_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sheets")
    rng = np.random.default_rng(1)
    for number in range(6):
        noise = rng.integers(0, 256, SHEET, np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.GaussianBlur(noise, (0, 0), 1 + number))
    return folder


@pytest.fixture(scope="session")
def deployment() -> DeploymentConfig:
    return DeploymentConfig(
        runtimes=("openvino", "onnx", "litert"),
        sheets="folder",
        parity_sheets=4,
        calibration_sheets=3,
        latency_repeats=3,
    )


@pytest.fixture(scope="session")
def sheets(sheets_dir: Path, deployment: DeploymentConfig) -> DeploymentSheets:
    nothing = pd.DataFrame()
    return choose_sheets(deployment, sheets_dir, sheets_dir, nothing, nothing)


@pytest.fixture(scope="session")
def inspection() -> InspectionConfig:
    return InspectionConfig(
        severity_area_px={"minor": 0}, black_share=0.98, saturated_share=0.5, focus_share=0.0,
    )  # fmt: skip


class Exported:
    """The tiny package with every export that could be made, and what was said of the others."""

    def __init__(self, cells: list[export.Candidate], package: ModelPackage) -> None:
        self.cells, self.package = cells, package

    def cell(self, network: str, runtime: str, precision: str) -> export.Candidate:
        for one in self.cells:
            if (one.network, one.runtime, one.precision) == (network, runtime, precision):
                return one
        raise KeyError(network, runtime, precision)


@pytest.fixture(scope="session")
def exported(package, sheets, deployment, tmp_path_factory) -> Exported:
    folder = tmp_path_factory.mktemp("exports")
    cells = list(export.export_networks(package, sheets, deployment, folder))
    specs = [cell.spec for cell in cells if cell.spec]
    manifest, writers = with_exports(package, specs, folder)
    return Exported(cells, write_package(folder / "package", manifest, writers))


@pytest.fixture(scope="session")
def known(package) -> PackageRuntime:
    return load_runtime(package, "keras")


@pytest.fixture(scope="session")
def passed(exported: Exported, tmp_path_factory) -> ModelPackage:
    """A copy of the package whose OpenVINO exports in float32 have passed."""
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    result = ParityResult(
        passed=True, sheets=4, max_difference=0, tolerance=1e-4, changed_verdicts=0, dice_change=0
    )
    specs = [
        spec.model_copy(update={"parity": result})
        for spec in exported.package.manifest.exports
        if (spec.runtime, spec.precision) == ("openvino", "fp32")
    ]
    manifest, writers = with_exports(exported.package, specs, exported.package.folder)
    return write_package(tmp_path_factory.mktemp("passed") / "copy", manifest, writers)
