"""Nodes that export the networks of a package and check what they became."""

import shutil
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from steel_defects.datasets.models import PackageContents
from steel_defects.deployment.config import DeploymentConfig, choose_sheets
from steel_defects.inspection.config import InspectionConfig
from steel_defects.package.folder import ModelPackage, write_package


def export_networks(
    inspection_package: ModelPackage,
    raw_dir: Path,
    sheets_dir: Path,
    splits: pd.DataFrame,
    annotations: pd.DataFrame,
    deployment: DeploymentConfig,
    inspection: InspectionConfig,
) -> tuple[PackageContents, pd.DataFrame]:
    """Export each network for every runtime and precision, and compare it with the trained one."""
    from steel_defects.deployment import export
    from steel_defects.deployment.parity import compare_exports

    bits = _bit_depth(inspection_package)
    sheets = choose_sheets(deployment, raw_dir, sheets_dir, splits, annotations, bits)
    folder = TemporaryDirectory(prefix="exports_")
    made = Path(folder.name)
    candidates = list(export.export_networks(inspection_package, sheets, deployment, made))
    specs = [cell.spec for cell in candidates if cell.spec]
    manifest, writers = export.with_exports(inspection_package, specs, made)
    package = write_package(made / "package", manifest, writers)
    parity = compare_exports(package, candidates, sheets, inspection)
    copies = {name: partial(_copy, folder, name) for name in writers}
    return PackageContents(manifest, copies), parity


def _bit_depth(package: ModelPackage) -> int | None:
    return package.manifest.learned.bits if package.manifest.learned else None


def _copy(folder: "TemporaryDirectory[str]", name: str, path: Path) -> None:
    """Copy a file of the package in a temporary folder, which lasts as long as it is named here."""
    shutil.copyfile(Path(folder.name, "package", name), path)


def measure_latency(
    export_candidates: ModelPackage,
    raw_dir: Path,
    sheets_dir: Path,
    splits: pd.DataFrame,
    annotations: pd.DataFrame,
    deployment: DeploymentConfig,
) -> pd.DataFrame:
    """Time every export, and Keras, on sheets of the size that they are compared on."""
    from steel_defects.deployment.latency import measure_exports

    bits = _bit_depth(export_candidates)
    sheets = choose_sheets(deployment, raw_dir, sheets_dir, splits, annotations, bits)
    return measure_exports(export_candidates, sheets.first_size, deployment.latency_repeats)


def release_exports(
    export_candidates: ModelPackage, export_parity: pd.DataFrame, latency: pd.DataFrame
) -> PackageContents:
    """Put the exports that are within their tolerance into a copy of the package."""
    from steel_defects.deployment.export import judged_exports, with_exports

    specs = judged_exports(export_candidates.manifest.exports, export_parity, latency)
    return PackageContents(*with_exports(export_candidates, specs, export_candidates.folder))
