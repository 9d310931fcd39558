"""Measures one network on one runtime, in a process of its own: ``python -m`` with a request.

The process imports that runtime and nothing else, so that its memory and its speed are those of
inspection.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from steel_defects.config import Config
from steel_defects.package.folder import read_package
from steel_defects.package.manifest import NetworkName
from steel_defects.package.runtimes.choice import load_gate, load_segmenter, name_of
from steel_defects.package.runtimes.network import ExecutionConfig
from steel_defects.prediction.inference import percentiles_ms


class Request(Config):
    """What is measured.

    Attributes:
        package: Folder of the package.
        network: Which of its networks.
        name: What runs it, such as ``openvino_int8``.
        size: Height and width of the sheets, pixels.
        repeats: Sheets that are timed.
    """

    package: Path
    network: NetworkName
    name: str
    size: tuple[int, int]
    repeats: int


def measure(request: Request) -> dict[str, float]:
    """Time a network on random sheets.

    Returns:
        ``ms_p50``, ``ms_p90`` and ``ms_p99`` of a sheet by itself, with all that comes before and
        after the network; ``sheets_per_second`` one by one, ``streaming_sheets_per_second`` several
        at a time; ``peak_memory_mb`` of the process.
    """
    package = read_package(request.package)
    exports = [e for e in package.manifest.exports if e.network == request.network]
    export = next((e for e in exports if name_of(e) == request.name), None)
    images = list(np.random.default_rng(0).integers(0, 256, (4, *request.size), np.uint8))

    def ways(streams: int):  # type: ignore[no-untyped-def] # two functions of either network
        execution = ExecutionConfig(streams=streams)
        if request.network == "gate":
            gate = load_gate(package, export, execution)
            assert gate is not None  # noqa: S101 (only a gate that is there is measured)
            return gate.score, gate.score_many
        segmenter = load_segmenter(package, export, execution)
        return segmenter.segment, segmenter.segment_many

    ask, _ = ways(streams=1)
    turn = iter(range(sys.maxsize))
    times = percentiles_ms(
        lambda: ask(images[next(turn) % len(images)]), request.repeats, (50, 90, 99)
    )
    _, ask_many = ways(streams=0)
    list(ask_many(images))  # compiles and warms up
    started = time.perf_counter()
    list(ask_many(images[number % len(images)] for number in range(request.repeats)))
    seconds = time.perf_counter() - started
    return {
        **dict(zip(("ms_p50", "ms_p90", "ms_p99"), times, strict=True)),
        "sheets_per_second": 1000 / times[0],
        "streaming_sheets_per_second": request.repeats / seconds,
        "peak_memory_mb": _peak_memory_mb(),
    }


def _peak_memory_mb() -> float:
    """Return the largest memory that the process had so far; getrusage counts its parent's, too."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024


if __name__ == "__main__":
    print(json.dumps(measure(Request.model_validate_json(sys.argv[1]))))
