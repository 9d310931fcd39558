"""The finished parts of a job: each a folder, put in its place whole.

A job's folder holds ``part-0000000/`` and so on, each with ``verdicts.parquet``,
``defects.parquet``, ``submission.csv`` and ``record.json``; and ``part-0000012.jsonl``, the journal
of a part that is not full yet.
"""

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from steel_defects.errors import SteelDefectsError, disk_refusals
from steel_defects.files import force
from steel_defects.locks import lock

logger = logging.getLogger(__name__)

#: Files of a part.
VERDICTS_FILE, DEFECTS_FILE = "verdicts.parquet", "defects.parquet"
SUBMISSION_FILE = "submission.csv"
_RECORD = "record.json"
_FORMAT = 2  # of the files of a part; the first had no number
_EARLIER_JOB = re.compile("[0-9a-f]{16}")
_PART = re.compile(r"part-(\d{7,})(\.jsonl)?")

Record = dict[str, Any]


@dataclass(frozen=True)
class JoinedTable:
    """A table that lies in the files of several parts.

    Attributes:
        folder: The job's folder.
        file: The table's file in each part.
        parts: The parts, in the order of their rows.
        empty: The table without rows, for no parts at all.
        replaced: By part, ids of sheets whose rows in it do not count: a later part has others.
    """

    folder: Path
    file: str
    parts: Sequence[int]
    empty: pd.DataFrame
    replaced: Mapping[int, Sequence[str]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Path]:
        return (self.folder / f"part-{part:07}" / self.file for part in self.parts)

    def frames(self) -> Iterator[pd.DataFrame]:
        """Read the Parquet files one after the other, without rows that do not count."""
        for part, path in zip(self.parts, self, strict=True):
            rows = pd.read_parquet(path)
            yield rows[~rows["sheet_id"].isin(self.replaced.get(part, ()))]


class Parts:
    """The parts in a job's folder, counted from 0."""

    def __init__(self, folder: Path) -> None:
        """Name the job's folder."""
        self.folder = folder

    def finished(self, part: int) -> bool:
        """Tell whether a part is there."""
        return (self.path(part, _RECORD)).is_file()

    def all_finished(self) -> list[int]:
        """Return the parts that are there."""
        found = self._numbers("")
        return [part for part in found if self.finished(part)]

    def begun(self) -> list[int]:
        """Return the parts that have a journal."""
        return self._numbers(".jsonl")

    def _numbers(self, ending: str) -> list[int]:
        if not self.folder.is_dir():
            return []
        matches = (_PART.fullmatch(name) for name in os.listdir(self.folder))
        return sorted(int(m[1]) for m in matches if m and (m[2] or "") == ending)

    def journal(self, part: int) -> Path:
        """Return the file of a part's journal."""
        return self.folder / f"part-{part:07}.jsonl"

    def record(self, part: int) -> Record:
        """Return what was written down of a part.

        Raises:
            SteelDefectsError: It is damaged, or of an earlier release.
        """
        path = self.path(part, _RECORD)
        try:
            record: Record = json.loads(path.read_bytes())
        except ValueError as error:
            raise _damaged(path) from error
        if record.get("format") != _FORMAT:
            raise SteelDefectsError(
                f"another release inspected the sheets of {self.folder}; inspect them again: "
                "kedro run --pipelines=inspection"
            )
        return record

    def check(self, part: int) -> Record:
        """Compare the files of a part with their digests, and return what was written down of it.

        Raises:
            SteelDefectsError: A file is missing or damaged.
        """
        record = self.record(part)
        for file, digest in record["sha256"].items():
            path = self.path(part, file)
            if not path.is_file() or _digest(path) != digest:
                raise _damaged(path)
        return record

    def write(
        self,
        part: int,
        verdicts: pd.DataFrame,
        defects: pd.DataFrame,
        submission: bytes,
        record: Record,
    ) -> None:
        """Write a part beside its place, force it to the disk, and rename it.

        Args:
            part: Its number.
            verdicts: One row per sheet.
            defects: One row per region.
            submission: The competition's table, as CSV.
            record: What JSON can hold.
        """
        path = self.path(part)
        beside = path.with_suffix(".tmp")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        for file, table in ((VERDICTS_FILE, verdicts), (DEFECTS_FILE, defects)):
            pq.write_table(pa.Table.from_pandas(table, preserve_index=False), beside / file)
        (beside / SUBMISSION_FILE).write_bytes(submission)
        digests = {path.name: _digest(path) for path in beside.iterdir()}
        record = record | {"sha256": digests, "format": _FORMAT}
        (beside / _RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        for path_of_file in [*beside.iterdir(), beside]:
            force(path_of_file)
        beside.rename(path)
        force(self.folder)

    def path(self, part: int, file: str = "") -> Path:
        """Return the folder of a part, or a file in it."""
        return self.folder / f"part-{part:07}" / file


@contextmanager
def at_work(folder: Path, name: str) -> Iterator[None]:
    """Keep other processes off a named share of a job, and say in one line what its disk refuses.

    Raises:
        SteelDefectsError: Another process is at work, or the folder can't be written to.
    """
    remedy = "finished parts are kept, and the same command goes on from there"
    with disk_refusals(folder, remedy):
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{name}.lock").open("wb") as file:
            if not lock(file.fileno(), folder):
                raise SteelDefectsError(f"another process is inspecting these sheets ({folder})")
            yield


def tell_of_earlier_jobs(jobs: Path) -> None:
    """Warn of jobs that an earlier release left, finished or not: they are not gone on with."""
    earlier = [path for path in jobs.iterdir() if _EARLIER_JOB.fullmatch(path.name)]
    if earlier:
        logger.warning(
            "%s holds jobs of an earlier release (%d, such as %s), which are not gone on with: "
            "their sheets are inspected anew; delete those folders",
            jobs, len(earlier), earlier[0].name,
        )  # fmt: skip


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _damaged(path: Path) -> SteelDefectsError:
    return SteelDefectsError(
        f"{path} is cut off or damaged; delete its folder, and the same command inspects the "
        "sheets of this part again"
    )
