"""How fast, how large and how hungry for memory the exports of a package are."""

import json
import logging
import subprocess
import sys
from typing import Any

import pandas as pd

from steel_defects.deployment.export import CELLS
from steel_defects.deployment.measure import Request
from steel_defects.package.folder import ExportSpec, ModelPackage, NetworkName
from steel_defects.package.runtimes.choice import name_of
from steel_defects.tables.declared import LATENCY

logger = logging.getLogger(__name__)

#: The networks as they were trained.
NATIVE: tuple[tuple[str, str], ...] = (("keras", "saved"),)

#: What is measured: all columns but those that name a network and say why nothing is known.
MEASURED = tuple(LATENCY.columns)[3:-1]
_MOST_SECONDS = 1800


def measure_exports(
    package: ModelPackage, sheet_size: tuple[int, int], repeats: int
) -> pd.DataFrame:
    """Measure every network of a package on Keras and on each runtime, each in its own process.

    Args:
        package: The package with its exports.
        sheet_size: Height and width of the sheets, pixels.
        repeats: Sheets that are timed.

    Returns:
        ``network, runtime, precision``, :data:`MEASURED` and ``reason``, one row a network, runtime
        and precision; ``reason`` says why nothing was measured.
    """
    names: tuple[NetworkName, ...] = ("gate", "segmenter")
    exports: dict[tuple[str, str, str], ExportSpec] = {
        (e.network, e.runtime, e.precision): e for e in package.manifest.exports
    }
    rows = []
    for network in names:
        for runtime, precision in (*NATIVE, *CELLS):
            row: dict[str, Any] = {"network": network, "runtime": runtime, "precision": precision}
            export = exports.get((network, runtime, precision))
            has_network = network == "segmenter" or package.manifest.gate is not None
            if not has_network or (runtime != "keras" and export is None):
                none = "see export_parity" if has_network else "the package has no gate"
                rows.append(row | dict.fromkeys(MEASURED) | {"reason": none})
                continue
            request = Request(
                package=package.folder, network=network, name=name_of(export), size=sheet_size,
                repeats=repeats,
            )  # fmt: skip
            rows.append(row | _measure(request) | {"file_mb": _size(package, network, export)})
    return LATENCY.typed(rows)


def _measure(request: Request) -> dict[str, Any]:
    logger.info("measuring the %s on %s", request.network, request.name)
    nothing = dict.fromkeys(MEASURED)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "steel_defects.deployment.measure", request.model_dump_json()],
            capture_output=True, encoding="utf-8", errors="replace", check=False,
            timeout=_MOST_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {**nothing, "reason": f"cannot be measured: it took more than {_MOST_SECONDS} s"}
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return {**nothing, "reason": f"cannot be measured: {lines[-1]}"}
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**measured, "reason": ""}


def _size(package: ModelPackage, network: NetworkName, export: ExportSpec | None) -> float:
    """Return the size of the files of a network, megabytes."""
    spec = package.manifest.gate if network == "gate" else package.manifest.segmenter
    files = export.files if export else (spec.file,) if spec else ()
    return sum(package.path(name).stat().st_size for name in files) / 1e6
