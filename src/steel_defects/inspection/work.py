"""What inspecting a folder and watching one have in common."""

import hashlib
import json
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from steel_defects import __version__
from steel_defects.errors import SteelDefectsError, disk_refusals
from steel_defects.inspection import tables
from steel_defects.inspection.cascade import Cascade, InspectedSheet
from steel_defects.inspection.config import InspectionConfig
from steel_defects.inspection.drift import DriftMonitor
from steel_defects.inspection.frames import ALIKE_FRAMES, RECENT_FRAMES, Frame
from steel_defects.inspection.places import Places
from steel_defects.inspection.sources import SheetSource
from steel_defects.inspection.store.journal import Journal
from steel_defects.inspection.store.parts import JoinedTable, Parts
from steel_defects.inspection.store.records import part_record, summarise, timing
from steel_defects.locks import lock
from steel_defects.package.folder import ModelPackage
from steel_defects.tables.declared import DEFECTS, VERDICTS

logger = logging.getLogger(__name__)

#: Is told of every sheet, before it counts as inspected.
OnSheet = Callable[[Frame, InspectedSheet], None]

# These change how fast sheets are inspected, and no result.
_WITHOUT_EFFECT = {
    "overlays", "part_sheets", "shard", "shards", "judges", "execution", "following",
}  # fmt: skip


@dataclass(frozen=True)
class Inspection:
    """The sheets, and everything that they are judged with."""

    source: SheetSource
    package: ModelPackage
    cascade: Cascade
    places: Places
    config: InspectionConfig

    @cached_property
    def monitor(self) -> DriftMonitor:
        """Compares sheets with the package's reference."""
        monitor = DriftMonitor(self.package.manifest.reference, self.config.drift)
        if self.config.drift.expected_defect_share is not None and not monitor.reweighted:
            logger.warning(
                "the package holds no scores by class: its scores are taken at their own mix"
            )
        return monitor

    @property
    def judges(self) -> int:
        """Sheets that are judged at a time."""
        parallel = self.cascade.runtime.parallel
        return min(self.config.judges or parallel, parallel)

    def job_id(self, sheets: str, positions: pd.DataFrame | None = None) -> str:
        """Return a digest of all that the result depends on, but for positions that may change."""
        table = pd.DataFrame() if positions is None else positions
        rows = pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes()
        runtimes = dict(self.cascade.runtime.names)
        described = [
            __version__,
            RECENT_FRAMES,
            sheets,
            self.package.model_id,
            self.package.thresholds_id,
            runtimes,
            self.config.model_dump(mode="json", exclude=_WITHOUT_EFFECT),
            self.package.settings(runtimes.values()),
            self.places.config.model_dump(mode="json"),
            hashlib.sha256(rows).hexdigest(),
        ]
        return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]


class OpenPart:
    """A part that is being filled, sheet by sheet; what a killed process left in it counts.

    Attributes:
        journal: Holds its sheets on disk until it is finished.
        sheets: Its inspected sheets, by id, in the order in which they were judged.
    """

    def __init__(self, inspection: Inspection, parts: Parts, number: int) -> None:
        self._inspection, self._parts, self.number = inspection, parts, number
        self.journal = Journal(parts.journal(number))
        self.sheets = self.journal.read()
        self._seconds = sum(sheet.seconds for sheet in self.sheets.values())
        self._started = time.perf_counter()
        self._told = any(sheet.nearly_repeated for sheet in self.sheets.values())

    def add(self, sheet: InspectedSheet) -> None:
        """Take a sheet, in the place of an earlier verdict; it is on disk before this returns."""
        self.journal.append(sheet)
        self.sheets.pop(sheet.sheet_id, None)
        self.sheets[sheet.sheet_id] = sheet
        if sheet.nearly_repeated and not self._told:
            self._told = True
            logger.warning(
                "camera: %s looks nearly like %d or more of the %d frames before it; is the camera "
                "frozen?", sheet.sheet_id, ALIKE_FRAMES, RECENT_FRAMES,
            )  # fmt: skip

    def close(self) -> None:
        """Leave the part as it is, for another time."""
        self.journal.close()

    def finish(self, earlier_reviews: Mapping[str, int] | None = None) -> None:
        """Write the part's tables, unless it is empty, and say where its sheets have drifted.

        Args:
            earlier_reviews: Sheets that could not be read at first, and the parts that say so;
                rows of this part replace theirs.
        """
        if self.sheets:
            self._write(list(self.sheets.values()), earlier_reviews or {})
        self.journal.remove()

    def _write(self, sheets: Sequence[InspectedSheet], earlier: Mapping[str, int]) -> None:
        setup = self._inspection
        seconds = self._seconds + time.perf_counter() - self._started
        record = part_record(self.number, sheets, seconds, setup.monitor)
        record["replaces"] = {name: earlier[name] for name in self.sheets if name in earlier}
        _warn_of_drift(record)
        places = setup.places.of([sheet.sheet_id for sheet in sheets])
        mm_per_px = setup.package.manifest.mm_per_px
        relative_path = setup.source.relative_path
        rows = {
            "verdicts": tables.verdicts_table(sheets, relative_path, setup.package, places),
            "defects": tables.defects_table(sheets, setup.config, places, mm_per_px),
        }
        files = {
            f"{name}.parquet": pa.Table.from_pandas(table, preserve_index=False)
            for name, table in rows.items()
        }
        self._parts.write(self.number, files, tables.submission(sheets), record)


def _warn_of_drift(record: dict[str, Any]) -> None:
    for name, drift in record["drift"].items():
        if drift["alarm"]:
            logger.warning(
                "drift: %s of the sheets %s to %s is unlike the package's reference: PSI %.3f "
                "(band %.3f), KS %.3f (band %.3f)%s",
                name, record["first"], record["last"],
                drift["psi"], drift["psi_band"], drift["ks"], drift["ks_band"],
                "" if drift["sure"] else "; a reference of so few sheets may be off by as much",
            )  # fmt: skip


def result_of(jobs: Path, reference: Mapping[str, Any]) -> "JobResult":
    """Find the results that :meth:`JobResult.reference`, or a summary with it, is about."""
    parts = Parts(jobs / reference["job"])
    numbers = [part for part in parts.all_finished() if part >= reference["first_part"]]
    return JobResult(parts, numbers[: reference["parts"]], reference["all_parts"])


@dataclass(frozen=True)
class JobResult:
    """Where the results of a job lie.

    Attributes:
        parts: The finished parts.
        numbers: Those that the results are made of, rising; no other finished one lies between.
        all_parts: How many there are, those of other machines included.
    """

    parts: Parts
    numbers: Sequence[int]
    all_parts: int

    @property
    def complete(self) -> bool:
        """Whether these are the sheets of all machines."""
        return len(self.numbers) == self.all_parts

    def refreshed(self) -> "JobResult":
        """Take the parts of all machines where all are finished now."""
        if not all(map(self.parts.finished, range(self.all_parts))):
            return self
        return replace(self, numbers=range(self.all_parts))

    def reference(self) -> dict[str, Any]:
        """Name the job and its parts, in the form of JSON."""
        return {
            "job": self.parts.folder.name,
            "first_part": self.numbers[0] if self.numbers else 0,
            "parts": len(self.numbers),
            "all_parts": self.all_parts,
        }

    def tables(self) -> tuple[JoinedTable, JoinedTable, JoinedTable]:
        """Return verdicts, defects and the submission.

        Raises:
            SteelDefectsError: A file of a part is damaged.
        """
        replaced = defaultdict(list)
        for record in map(self.parts.check, self.numbers):
            for sheet_id, part in record.get("replaces", {}).items():
                replaced[part].append(sheet_id)
        table = partial(JoinedTable, self.parts.folder, parts=self.numbers, replaced=replaced)
        return (
            table("verdicts.parquet", empty=VERDICTS.empty()),
            table("defects.parquet", empty=DEFECTS.empty()),
            table("submission.csv", empty=tables.submission([])),
        )

    def summary(self, package: ModelPackage) -> dict[str, Any]:
        """Count verdicts and defects; see ``store.records.summarise``."""
        return {
            **summarise(map(self.parts.record, self.numbers), package.manifest.class_names),
            "model_id": package.model_id,
            "thresholds_id": package.thresholds_id,
            **self.reference(),
            "complete": self.complete,
        }

    def timing(self) -> dict[str, float | None]:
        """Return how long it took; see ``store.records.timing``."""
        return timing(map(self.parts.record, self.numbers))


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
