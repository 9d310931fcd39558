"""How much faster other limits judge saved regions than a whole run, and whether both agree.

    python benchmarks/judged_anew.py [--sheets 1000] [--sheets-dir PATH --package PATH]

Inspects sheets by the default limits once. Then, in turns, each with limits that no job has had
yet, three times: judges them anew, and inspects them as if for the first time; from the files to
the tables of all parts. Prints the seconds of both (medians), their ratio, and whether all rows
agree. Without a package, drawn sheets and a runtime that takes bright pixels for defects stand in
for sheets and networks: it takes next to no time, so that the ratio is the least there can be.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from inspection_memory import BrightnessRuntime, originals, stand_in

LEAST_RATIO = 20
REPEATS = 3


def lay_out(count: int, sheets: Sequence[Path], folder: Path) -> Path:
    """Link so many sheets into a folder, none after itself."""
    folder.mkdir()
    for number in range(count):
        path = sheets[number % len(sheets)]
        (folder / f"{number:07}{path.suffix}").hardlink_to(path)
    return folder


class Bench:
    """A folder of sheets, and what they are judged with."""

    def __init__(self, sheets: Path, package: str) -> None:
        from steel_defects.package.folder import read_package
        from steel_defects.package.runtimes import load_runtime

        self._sheets = sheets
        self._package = read_package(Path(package)) if package else stand_in()
        self._runtime = load_runtime(self._package) if package else BrightnessRuntime()

    def rules(self, number: int) -> dict[str, object]:
        """Return limits that differ from those of any other number."""
        first, second, *_ = self._package.manifest.class_names
        return {"limits": {first: {"area_px": 100 + number}}, "ignore_classes": [second]}

    def inspect(self, jobs: Path, rules: dict[str, object]) -> tuple[float, list[pd.DataFrame]]:
        """Return the seconds that a run takes, and its tables."""
        from steel_defects.data.config import PositionsConfig
        from steel_defects.inspection.cascade import Cascade
        from steel_defects.inspection.config import InspectionConfig
        from steel_defects.inspection.job import Inspection, run_job
        from steel_defects.inspection.places import Places
        from steel_defects.inspection.sources import open_source

        config = InspectionConfig(
            severity_area_px={"minor": 0, "severe": 2000}, black_share=0.98, saturated_share=0.5,
            focus_share=0, **rules,
        ).for_classes(self._package.manifest.class_names)  # fmt: skip
        started = time.perf_counter()
        cascade = Cascade(self._package, self._runtime, config)
        places = Places(pd.DataFrame(), PositionsConfig(), lambda sheet_id: True)
        setup = Inspection(open_source(self._sheets), self._package, cascade, places, config)
        result = run_job(setup, jobs, pd.DataFrame())
        verdicts, defects, submission = result.tables()
        tables = [pd.concat(table.frames(), ignore_index=True) for table in (verdicts, defects)]
        tables.append(pd.concat(map(pd.read_csv, submission), ignore_index=True))
        return time.perf_counter() - started, tables


def compare(bench: Bench, work: Path) -> tuple[float, float, bool]:
    """Return the seconds of judging anew and of whole runs, and whether their rows agree."""
    bench.inspect(work / "jobs", {})
    anew, whole, agree = [], [], True
    for number in range(REPEATS):
        seconds, tables = bench.inspect(work / "jobs", bench.rules(number))
        anew.append(seconds)
        seconds, expected = bench.inspect(work / f"jobs_{number}", bench.rules(number))
        whole.append(seconds)
        for table, other in zip(tables, expected, strict=True):
            columns = [name for name in table if name != "inspected_at"]
            agree &= table[columns].equals(other[columns])
    return statistics.median(anew), statistics.median(whole), agree


def main() -> int:
    """Print the figures."""
    import logging

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sheets", type=int, default=1000)
    parser.add_argument("--sheets-dir", type=Path)
    parser.add_argument("--package", default="")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        sheets = originals(options.sheets_dir, work / "originals")
        folder = lay_out(options.sheets, sheets, work / "sheets")
        anew, whole, agree = compare(Bench(folder, options.package), work)
    ratio = whole / anew
    print(
        f"{options.sheets} sheets: judged anew {anew:.2f} s, a whole run {whole:.2f} s, ratio "
        f"{ratio:.1f}; all rows agree: {'yes' if agree else 'no'}"
    )
    return not (agree and ratio >= LEAST_RATIO)


if __name__ == "__main__":
    sys.exit(main())
