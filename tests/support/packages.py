"""A package, a configuration and a region that several folders of tests use."""

from pathlib import Path

import pytest

from steel_defects.decision.limits import RegionLimits
from steel_defects.decision.postprocessing import ClassPostprocessing
from steel_defects.inspection.config import InspectionConfig
from steel_defects.package.folder import ModelPackage, write_package
from steel_defects.package.manifest import GateSpec, Manifest, SegmenterSpec


@pytest.fixture
def config() -> InspectionConfig:
    """Regions of class 2 may measure up to 50 pixels, 20 long; those of class 1 nothing."""
    return InspectionConfig(
        limits={2: RegionLimits(area_px=50, length_px=20)},
        severity_area_px={"severe": 100, "minor": 10, "moderate": 40},
        black_share=0.98,
        saturated_share=0.5,
        focus_share=0.5,
    )


@pytest.fixture
def manifest() -> Manifest:
    settings = ClassPostprocessing(threshold=0.5, min_area_px=4)
    return Manifest(
        class_names=("pitting", "crack"),
        gate=GateSpec(
            name="mobilenet_v2", file="gate.keras", input_size=(32, 64), temperature=1.0,
            lower_threshold=0.2, upper_threshold=0.8,
        ),
        segmenter=SegmenterSpec(
            name="unet", file="segmenter.keras", postprocessing=(settings, settings)
        ),
        mm_per_px=0.5,
    )  # fmt: skip


@pytest.fixture
def package(tmp_path: Path, manifest: Manifest) -> ModelPackage:
    writers = {
        "gate.keras": lambda path: path.write_bytes(b"gate"),
        "segmenter.keras": lambda path: path.write_bytes(b"segmenter"),
    }
    return write_package(tmp_path / "package", manifest, writers)
