"""Inspecting all sheets of a folder or a list, a part at a time."""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pandas as pd

from steel_defects import __version__
from steel_defects.decision.limits import VerdictConfig
from steel_defects.errors import SteelDefectsError
from steel_defects.inspection import tables
from steel_defects.inspection.cascade import Cascade, InspectedSheet, judge_in_order
from steel_defects.inspection.config import InspectionConfig
from steel_defects.inspection.console import Display, Stop, stop_on_signals
from steel_defects.inspection.drift import DriftMonitor
from steel_defects.inspection.frames import (
    ALIKE_FRAMES,
    READ_AHEAD,
    RECENT_FRAMES,
    Frame,
    RecentFrames,
    read_frame,
)
from steel_defects.inspection.judged_anew import OtherRules, Rules
from steel_defects.inspection.places import Places
from steel_defects.inspection.sources import SheetSource
from steel_defects.inspection.store.journal import Journal
from steel_defects.inspection.store.listing import SheetList, write_list
from steel_defects.inspection.store.parts import (
    Parts,
    at_work,
    tell_of_earlier_jobs,
)
from steel_defects.inspection.store.records import judged_record, part_record
from steel_defects.inspection.tables import JobResult
from steel_defects.package.folder import ModelPackage
from steel_defects.threads import core_count, map_in_order

logger = logging.getLogger(__name__)

#: Is told of every sheet, before it counts as inspected.
OnSheet = Callable[[Frame, InspectedSheet], None]

# These change how fast sheets are inspected, and no result; or the package's thresholds alone.
_WITHOUT_EFFECT = {
    "overlays", "sheets_to_check", "part_sheets", "shard", "shards", "judges", "execution",
    "following", "target_recall",
}  # fmt: skip
# These change what becomes of a sheet once the networks have spoken.
_RULES = set(VerdictConfig.model_fields)


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
        if monitor.untested:
            logger.info("drift is not tested: %s", monitor.untested)
        elif self.config.drift.expected_defect_share is not None and not monitor.reweighted:
            logger.warning(
                "the package holds no scores by class: its scores are taken at their own mix"
            )
        return monitor

    @property
    def judges(self) -> int:
        """Sheets that are judged at a time."""
        parallel = self.cascade.runtime.parallel
        return min(self.config.judges or parallel, parallel)

    @property
    def rules(self) -> Rules:
        """What decides once the networks have spoken."""
        thresholds = self.cascade.policy.thresholds
        return Rules(thresholds, self.config, self.package.manifest.class_names)

    def job_id(self, sheets: str, positions: pd.DataFrame | None = None) -> str:
        """Return digests of all that the result depends on, but for positions that may change.

        The first is of what the networks see and say, the second of limits and severities.
        """
        table = pd.DataFrame() if positions is None else positions
        rows = pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes()
        runtimes = dict(self.cascade.runtime.names)
        described = [
            *(__version__, RECENT_FRAMES, sheets),
            *(self.package.model_id, self.package.thresholds_id, runtimes),
            self.config.model_dump(mode="json", exclude=_WITHOUT_EFFECT | _RULES),
            self.package.settings(runtimes.values()),
            self.places.config.model_dump(mode="json"),
            hashlib.sha256(rows).hexdigest(),
        ]
        rules = self.config.model_dump(mode="json", include=_RULES)
        return f"{_digest(described)[:16]}-{_digest(rules)[:8]}"


def _digest(described: Any) -> str:
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


class OpenPart:
    """A part that is being filled, sheet by sheet; what a killed process left in it counts.

    Attributes:
        journal: Holds its sheets on disk until it is finished.
        sheets: Its inspected sheets, by id, in the order in which they were judged.
    """

    def __init__(self, inspection: Inspection, parts: Parts, number: int) -> None:
        self._inspection, self._parts, self.number = inspection, parts, number
        self.journal = Journal(parts.journal(number))
        # They may have been judged by other rules.
        self.sheets = {k: inspection.rules.judge(one) for k, one in self.journal.read().items()}
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

        Its rows replace those of earlier parts in which its sheets could not be read.
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
        package, config, path_of = setup.package, setup.config, setup.source.relative_path
        verdicts = tables.verdicts_table(sheets, path_of, package, config, places)
        defects = tables.defects_table(sheets, package, config, places)
        record |= judged_record(verdicts, defects, config, package.manifest.class_names)
        submission = tables.submission(sheets).to_csv(index=False, lineterminator="\n")
        self._parts.write(self.number, verdicts, defects, submission.encode(), record)


def _warn_of_drift(record: dict[str, Any]) -> None:
    for name, drift in record["drift"].items():
        if drift["alarm"]:
            logger.warning(
                "drift: %s of the sheets %s to %s is unlike the package's reference: PSI %.3f "
                "(band %.3f), KS %.3f (band %.3f)",
                name, record["first"], record["last"],
                drift["psi"], drift["psi_band"], drift["ks"], drift["ks_band"],
            )  # fmt: skip


def run_job(inspection: Inspection, jobs: Path, positions: pd.DataFrame) -> JobResult:
    """Inspect this machine's share of the sheets that no earlier run has inspected.

    Memory does not grow with the number of sheets. A run that was killed, or ended by an error, is
    taken up at the sheet after the last one judged, as long as sheets, package and parameters are
    the same, in a folder of ``jobs``. ``positions`` is the table as it was read.

    Returns:
        The parts of all machines where all are finished, else those of this one.

    Raises:
        SteelDefectsError: There are no sheets, a folder can't be listed, another process is
            inspecting them, the disk refuses to take more, or somebody stopped it.
    """
    config = inspection.config
    share = f"shard-{config.shard}-of-{config.shards}"
    with at_work(jobs, "listing-" + share):
        listing = write_list(inspection.source.list_files(), jobs)
        if not listing.count:
            listing.remove()
            raise SteelDefectsError(f"there are no pictures in {inspection.source.place}")
        listing.divide(config.part_sheets, config.shards)
        sheets = f"{listing.digest} in parts of {listing.part_sheets}"
        parts = Parts(jobs / inspection.job_id(sheets, positions))
        listing.move(parts.folder / f"{share}.txt")
        tell_of_earlier_jobs(jobs)
    mine = listing.share(config.shard, config.shards)
    with at_work(parts.folder, share), stop_on_signals() as stop:
        _Job(inspection, parts, listing).run(mine, stop)
    return JobResult(parts, mine, listing.parts).refreshed()


class _Job:
    """One machine's share of a job."""

    def __init__(self, inspection: Inspection, parts: Parts, listing: SheetList) -> None:
        self._inspection, self._parts, self._listing = inspection, parts, listing
        self._judges = 1
        self._read = partial(
            read_frame,
            inspection.source.read_file,
            bit_depth=inspection.cascade.accepted.bits,
        )

    def run(self, mine: range, stop: Stop) -> None:
        sizes = {part: len(self._listing.span(part)) for part in mine}
        OtherRules(self._parts, self._inspection.rules).take_over(mine)
        finished = set(filter(self._parts.finished, mine))
        if finished != set(mine):
            self._judges = self._inspection.judges  # loads the networks, before time is taken
        with Display(sum(sizes.values())) as display:
            display.skip(sum(sizes[part] for part in finished))
            for part in finished:
                self._parts.journal(part).unlink(missing_ok=True)  # of a process that was killed
            for part in sorted(set(mine) - finished):
                with closing(OpenPart(self._inspection, self._parts, part)) as work:
                    if self._parts.finished(part):
                        work.journal.remove()  # another process has finished it meanwhile
                    else:
                        self._fill(work, stop, display)
                        work.finish()

    def _fill(self, work: OpenPart, stop: Stop, display: Display) -> None:
        setup = self._inspection
        display.skip(len(work.sheets))
        ids = self._listing.ids(work.number)[len(work.sheets) :]
        frames = map_in_order(self._read, ids, core_count(), READ_AHEAD)
        recent = RecentFrames()
        recent.extend(self._frames_before(work.number))
        recent.extend((sheet.frame, sheet.thumbnail) for sheet in work.sheets.values())
        for _, sheet in judge_in_order(setup.cascade, frames, recent, self._judges):
            work.add(sheet)
            display.count(sheet)
            if stop.requested:
                raise SteelDefectsError(
                    f"stopped at {sheet.sheet_id}; the same command goes on from there"
                )

    def _frames_before(self, part: int) -> list[tuple[str, str]]:
        """Return digests and thumbnails of the frames before a part, maybe another machine's."""
        before: list[tuple[str, str]] = []
        while part and len(before) < RECENT_FRAMES:
            part -= 1
            if self._parts.finished(part):
                last = self._parts.record(part)["last_frames"]
            else:
                ids = self._listing.ids(part)[len(before) - RECENT_FRAMES :]
                last = [(frame.digest, frame.thumbnail) for frame in map(self._read, ids)]
            before = last + before
        return before
