"""Inspecting all sheets of a folder or a list, a part at a time."""

from contextlib import closing
from functools import partial
from pathlib import Path

import pandas as pd

from steel_defects.errors import SteelDefectsError
from steel_defects.inspection.cascade import judge_in_order
from steel_defects.inspection.console import Display, Stop, stop_on_signals
from steel_defects.inspection.frames import READ_AHEAD, RECENT_FRAMES, RecentFrames, read_frame
from steel_defects.inspection.store.listing import SheetList, write_list
from steel_defects.inspection.store.parts import Parts
from steel_defects.inspection.work import Inspection, JobResult, OpenPart, at_work
from steel_defects.threads import core_count, map_in_order


def run_job(inspection: Inspection, jobs: Path, positions: pd.DataFrame) -> JobResult:
    """Inspect this machine's share of the sheets that no earlier run has inspected.

    Memory does not grow with the number of sheets. A run that was killed, or ended by an error, is
    taken up at the sheet after the last one judged, as long as sheets, package and parameters are
    the same.

    Args:
        inspection: The sheets, and what judges them.
        jobs: Folder that holds a folder for each job.
        positions: The table of positions, as it was read.

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
    mine = listing.share(config.shard, config.shards)
    with at_work(parts.folder, share), stop_on_signals() as stop:
        _Job(inspection, parts, listing).run(mine, stop)
    return JobResult(parts, mine, listing.parts).refreshed()


class _Job:
    """One machine's share of a job."""

    def __init__(self, inspection: Inspection, parts: Parts, listing: SheetList) -> None:
        self._inspection, self._parts, self._listing = inspection, parts, listing
        self._read = partial(read_frame, inspection.source.read_file)

    def run(self, mine: range, stop: Stop) -> None:
        sizes = {part: len(self._listing.span(part)) for part in mine}
        finished = set(filter(self._parts.finished, mine))
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
        for _, sheet in judge_in_order(setup.cascade, frames, recent, setup.judges):
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
