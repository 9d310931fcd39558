"""Files that a run saved and that say nothing."""

import json
from pathlib import Path

import pyarrow.parquet as pq

#: The end of the name of each file that may be empty, and why.
MAY_BE_EMPTY = {
    "similar_sheets.parquet": "no two sheets look alike",
    "findings.json": "nothing is wrong with labels or positions",
    "defects.parquet": "no inspected sheet has a region",
    "sheets_to_check.csv": "no verdict is in doubt",
}


def empty_files(data: Path) -> list[str]:
    """List the files below a data root that hold no row, no value or nothing at all.

    Raw data do not count; of versioned datasets each version does.
    """
    files = [path for path in sorted(data.rglob("*")) if path.is_file()]
    made = [path for path in files if "01_raw" not in path.parts and path.suffix != ".lock"]
    names = [path.name for path in made if _is_empty(path)]
    return [name for name in names if not name.endswith(tuple(MAY_BE_EMPTY))]


def _is_empty(path: Path) -> bool:
    if path.suffix == ".parquet":
        return bool(pq.read_metadata(path).num_rows == 0)
    if path.suffix == ".json":
        return json.loads(path.read_text(encoding="utf-8")) in (None, {}, [], "")
    if path.suffix == ".csv":
        return len(path.read_text(encoding="utf-8").splitlines()) < 2
    return path.stat().st_size == 0
