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

from steel_defects import __version__
from steel_defects.errors import SteelDefectsError, disk_refusals
from steel_defects.inspection import tables
from steel_defects.inspection.cascade import Cascade, InspectedSheet
from steel_defects.inspection.config import InspectionConfig
from steel_defects.inspection.drift import DriftMonitor
from steel_defects.inspection.frames import Frame
from steel_defects.inspection.places import Places
from steel_defects.inspection.recent import ALIKE_FRAMES, RECENT_FRAMES
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

# Changes how fast, not what is found.
_WITHOUT_EFFECT = {
    "overlays", "part_sheets", "shard", "shards", "judges", "execution", "following",
}  # fmt: skip


@dataclass(frozen=True)
class Inspection:
    """Everything that sheets are judged with.

    Attributes:
        source: The sheets.
        package: The model package.
        cascade: Judges frames.
        places: Coil and position of sheets.
        config: The parameters.
    """

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
        return min(self.config.judges or self.cascade.parallel, self.cascade.parallel)

    def job_id(self, sheets: str, positions: pd.DataFrame | None = None) -> str:
        """Return a digest of all that the result depends on.

        Args:
            sheets: Tells the sheets.
            positions: The table of positions; None where it may change.
        """
        table = pd.DataFrame() if positions is None else positions
        rows = pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes()
        described = [
            __version__,
            RECENT_FRAMES,
            sheets,
            self.package.model_id,
            self.package.thresholds_id,
            self.cascade.runtimes,
            self.config.model_dump(mode="json", exclude=_WITHOUT_EFFECT),
            self.package.settings(self.cascade.runtimes.values()),
            self.places.config.model_dump(mode="json"),
            hashlib.sha256(rows).hexdigest(),
        ]
        return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]


class OpenPart:
    """A part that is being filled, sheet by sheet; what a killed process left in it is kept.

    Attributes:
        number: Its number.
        sheets: What was found on its sheets, by id, in the order in which they were judged.
    """

    def __init__(self, inspection: Inspection, parts: Parts, number: int) -> None:
        """Open the part's journal."""
        self._inspection, self._parts, self.number = inspection, parts, number
        self._journal = Journal(parts.journal(number))
        self.sheets = self._journal.read()
        self._seconds = sum(sheet.seconds for sheet in self.sheets.values())
        self._started = time.perf_counter()
        self._told = any(sheet.nearly_repeated for sheet in self.sheets.values())

    def add(self, sheet: InspectedSheet) -> None:
        """Take a sheet, in the place of an earlier verdict; it is on disk before this returns."""
        self._journal.append(sheet)
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
        self._journal.close()

    def drop(self) -> None:
        """Delete the journal of a part that another process has finished in the meantime."""
        self._journal.remove()

    def finish(self, earlier_reviews: Mapping[str, int] | None = None) -> None:
        """Write the part's tables, unless it is empty, and say where its sheets have drifted.

        Args:
            earlier_reviews: Sheets that could not be read at first, and the parts that say so;
                rows of this part replace theirs.
        """
        if self.sheets:
            seconds = self._seconds + time.perf_counter() - self._started
            sheets = list(self.sheets.values())
            record = part_record(self.number, sheets, seconds, self._inspection.monitor)
            _warn_of_drift(record)
            earlier = earlier_reviews or {}
            record["replaces"] = {name: earlier[name] for name in self.sheets if name in earlier}
            self._write(sheets, record)
        self._journal.remove()

    def _write(self, sheets: Sequence[InspectedSheet], record: dict[str, Any]) -> None:
        setup = self._inspection
        places = setup.places.of([sheet.sheet_id for sheet in sheets])
        verdicts = tables.verdicts_table(sheets, setup.source.relative_path, setup.package, places)
        mm_per_px = setup.package.manifest.mm_per_px
        defects = tables.defects_table(sheets, setup.config, places, mm_per_px)
        found = {
            "verdicts.parquet": tables.to_arrow(verdicts),
            "defects.parquet": tables.to_arrow(defects),
        }
        self._parts.write(self.number, found, tables.submission(sheets), record)


def _warn_of_drift(record: dict[str, Any]) -> None:
    for name, found in record["drift"].items():
        if found["alarm"]:
            logger.warning(
                "drift: %s of the sheets %s to %s is unlike the package's reference: PSI %.3f "
                "(band %.3f), KS %.3f (band %.3f)%s",
                name, record["first"], record["last"],
                found["psi"], found["psi_band"], found["ks"], found["ks_band"],
                "" if found["sure"] else "; a reference of so few sheets may be off by as much",
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
        numbers: Those that the results are made of, in rising order, and no other between them.
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
        """Count what was found; see :func:`steel_defects.inspection.store.records.summarise`."""
        counted = summarise(map(self.parts.record, self.numbers), package.manifest.class_names)
        job = {**self.reference(), "complete": self.complete}
        ids = {"model_id": package.model_id, "thresholds_id": package.thresholds_id}
        return {**counted, **ids, **job}

    def timing(self) -> dict[str, float | None]:
        """Return how long it took; see :func:`steel_defects.inspection.store.records.timing`."""
        return timing(map(self.parts.record, self.numbers))


@contextmanager
def at_work(folder: Path, name: str) -> Iterator[None]:
    """Keep other processes off a share of a job, and say in one line what its disk refuses.

    Args:
        folder: The job's folder.
        name: Of the share.

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
