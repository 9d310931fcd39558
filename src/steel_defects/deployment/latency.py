"""How fast, how large and how hungry for memory the exports of a package are.

Each network is measured in a process of its own, ``python -m`` with a request, which imports its
runtime and nothing else, so that memory and speed are those of inspection.
"""

import json
import logging
import subprocess
import sys
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

from steel_defects.config import Config
from steel_defects.deployment.config import CELLS
from steel_defects.package.folder import ModelPackage, read_package
from steel_defects.package.manifest import ExportSpec, NetworkName
from steel_defects.package.networks import ExecutionConfig
from steel_defects.package.runtimes import Gate, Segmenter, load_gate, load_segmenter, name_of
from steel_defects.prediction.inference import percentiles_ms
from steel_defects.tables.declared import LATENCY

logger = logging.getLogger(__name__)

#: The networks as they were trained.
NATIVE: tuple[tuple[str, str], ...] = (("keras", "saved"),)
#: What is measured: all columns but those that name a network and say why nothing is known.
MEASURED = tuple(LATENCY.columns)[3:-1]
_MOST_SECONDS = 1800


class Request(Config):
    """What is measured: a network of a package, run by ``name``, on sheets of a size in pixels."""

    package: Path
    network: NetworkName
    name: str
    size: tuple[int, int]
    repeats: int


def measure_exports(
    package: ModelPackage, sheet_size: tuple[int, int], repeats: int
) -> pd.DataFrame:
    """Measure every network of a package on Keras and on each runtime, each in its own process.

    Returns:
        ``latency``, of so many sheets of a height and width in pixels: one row per network, runtime
        and precision; ``reason`` says why nothing was measured.
    """
    exports: dict[tuple[str, str, str], ExportSpec] = {
        (e.network, e.runtime, e.precision): e for e in package.manifest.exports
    }
    rows = []
    for network in get_args(NetworkName):
        for runtime, precision in (*NATIVE, *CELLS):
            row: dict[str, Any] = {"network": network, "runtime": runtime, "precision": precision}
            export = exports.get((network, runtime, precision))
            if network == "gate" and package.manifest.gate is None:
                row["reason"] = "the package has no gate"
            elif runtime != "keras" and export is None:
                row["reason"] = "see export_parity"
            else:
                request = Request(
                    package=package.folder, network=network, name=name_of(export), size=sheet_size,
                    repeats=repeats,
                )  # fmt: skip
                row |= _in_its_own_process(request)
                spec = package.manifest.gate if network == "gate" else package.manifest.segmenter
                files = export.files if export else (spec.file,) if spec else ()
                row["file_mb"] = sum(package.path(one).stat().st_size for one in files) / 1e6
            rows.append(row)
    return LATENCY.typed(rows)


def _in_its_own_process(request: Request) -> dict[str, Any]:
    logger.info("measuring the %s on %s", request.network, request.name)
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__, request.model_dump_json()],
            capture_output=True, encoding="utf-8", errors="replace", check=False,
            timeout=_MOST_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"reason": f"cannot be measured: it took more than {_MOST_SECONDS} s"}
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return {"reason": f"cannot be measured: {lines[-1]}"}
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**measured, "reason": ""}


def measure(request: Request) -> dict[str, float]:
    """Time a network on random sheets, with all that comes before and after it.

    Returns:
        ``ms_p50``, ``ms_p90`` and ``ms_p99`` of a sheet by itself; ``sheets_per_second`` one by
        one, ``streaming_sheets_per_second`` several at a time; ``peak_memory_mb`` of the process.
    """
    package = read_package(request.package)
    exports = [e for e in package.manifest.exports if e.network == request.network]
    export = next((e for e in exports if e.name == request.name), None)
    images = list(np.random.default_rng(0).integers(0, 256, (4, *request.size), np.uint8))

    def load(streams: int) -> Gate | Segmenter:
        load = load_gate if request.network == "gate" else load_segmenter
        network = load(package, export, ExecutionConfig(streams=streams))
        assert network is not None  # noqa: S101 (only a gate that is there is measured)
        return network

    one_by_one, turn = load(streams=1), cycle(images)
    ask = one_by_one.score if isinstance(one_by_one, Gate) else one_by_one.segment
    times = percentiles_ms(lambda: ask(next(turn)), request.repeats, (50, 90, 99))
    several = load(streams=0)
    ask_many = several.score_many if isinstance(several, Gate) else several.segment_many
    list(ask_many(images))  # compiles and warms up
    started = time.perf_counter()
    list(ask_many(islice(cycle(images), request.repeats)))
    seconds = time.perf_counter() - started
    # The largest memory that the process had so far; getrusage counts its parent's, too.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return {
        **dict(zip(("ms_p50", "ms_p90", "ms_p99"), times, strict=True)),
        "sheets_per_second": 1000 / times[0],
        "streaming_sheets_per_second": request.repeats / seconds,
        "peak_memory_mb": int(peak.split()[1]) / 1024,
    }


if __name__ == "__main__":
    print(json.dumps(measure(Request.model_validate_json(sys.argv[1]))))
