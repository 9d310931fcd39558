"""Sheets judged by other limits, from what the networks said of them before."""

import logging
import math
import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import pandas as pd

from steel_defects.decision.limits import VerdictConfig
from steel_defects.decision.operating_point import Thresholds
from steel_defects.decision.regions import Region
from steel_defects.decision.verdict import Verdict, judge_again
from steel_defects.inspection.cascade import InspectedSheet
from steel_defects.inspection.store.parts import DEFECTS_FILE, SUBMISSION_FILE, VERDICTS_FILE, Parts
from steel_defects.inspection.store.records import judged_record
from steel_defects.inspection.tables import defects_of_sheet, severities
from steel_defects.tables.declared import DEFECTS, VERDICTS

logger = logging.getLogger(__name__)

_REGION = [field.name for field in fields(Region)]


@dataclass(frozen=True)
class Rules:
    """What decides once the networks have spoken.

    Attributes:
        thresholds: The gate's; None without a gate.
        config: Limits and severities, by numbers of classes.
        class_names: Names of classes 1, 2, ….
    """

    thresholds: Thresholds | None
    config: VerdictConfig
    class_names: Sequence[str]

    def judge(self, sheet: InspectedSheet) -> InspectedSheet:
        """Judge a sheet anew."""
        verdict = judge_again(
            sheet.verdict, sheet.gate_score, self.thresholds, sheet.regions, self.config
        )
        return replace(sheet, verdict=verdict)

    def judge_tables(
        self, verdicts: pd.DataFrame, defects: pd.DataFrame
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Judge the sheets of a part anew, from its tables."""
        regions: dict[str, list[Region]] = defaultdict(list)
        for sheet_id, *values in defects[["sheet_id", *_REGION]].itertuples(index=False, name=None):
            regions[sheet_id].append(Region(*values))
        ranked = {sheet_id: severities(found, self.config) for sheet_id, found in regions.items()}
        ignored = defects["class_id"].isin(self.config.ignore_classes)
        known = verdicts[["sheet_id", "verdict", "reason", "gate_score"]]
        rows = [
            self._row(
                Verdict(name, reason), score, regions.get(sheet_id, []), ranked.get(sheet_id, [])
            )
            for sheet_id, name, reason, score in known.itertuples(index=False, name=None)
        ]
        judged = pd.DataFrame(rows, index=verdicts.index)
        # The rows of a sheet stand together, in the order of the sheets.
        severity = [name for of_sheet in ranked.values() for name in of_sheet]
        return (
            VERDICTS.typed(verdicts.assign(**{str(name): judged[name] for name in judged})),
            DEFECTS.typed(defects.assign(severity=severity, ignored=ignored)),
        )

    def _row(
        self, verdict: Verdict, score: float, regions: list[Region], ranked: list[str]
    ) -> dict[str, object]:
        gate_score = None if math.isnan(score) else score
        verdict = judge_again(verdict, gate_score, self.thresholds, regions, self.config)
        of_sheet = defects_of_sheet(regions, ranked, self.config, self.class_names)
        return {**vars(verdict), **of_sheet}


class OtherRules:
    """The jobs in which the same networks saw the same sheets, judged by other rules."""

    def __init__(self, target: Parts, rules: Rules) -> None:
        """Name the parts of the job at hand, and its rules."""
        self._target, self._rules = target, rules

    @cached_property
    def jobs(self) -> list[Parts]:
        """Their parts; of the job that was worked on last first."""
        folder = self._target.folder
        same = folder.parent.glob(f"{folder.name.partition('-')[0]}-*")
        others = [path for path in same if path.is_dir() and path != folder]
        return [Parts(path) for path in sorted(others, key=lambda path: -path.stat().st_mtime_ns)]

    def numbers(self) -> list[int]:
        """Return the parts that they have finished or begun."""
        return sorted({n for job in self.jobs for n in (*job.all_finished(), *job.begun())})

    def take_file(self, name: str) -> None:
        """Copy a file of a job's folder, where this one has none."""
        found = [path for job in self.jobs if (path := job.folder / name).is_file()]
        if found and not (self._target.folder / name).exists():
            shutil.copyfile(found[0], self._target.folder / name)

    def take_over(self, parts: Sequence[int]) -> None:
        """Judge anew what other jobs have of some parts, where this one has them not yet.

        Raises:
            SteelDefectsError: A file of theirs is damaged.
        """
        missing = [part for part in parts if not self._target.finished(part)] if self.jobs else []
        taken = [part for part in missing if self._take_over(part)]
        if taken:
            logger.info(
                "%d of %d parts are judged anew, by the limits of now; no network is asked",
                len(taken), len(parts),
            )  # fmt: skip

    def _take_over(self, part: int) -> bool:
        for source in self.jobs:
            if source.finished(part):
                self._judge(part, source)
                return True
        journal = self._target.journal(part)
        begun = [other for job in self.jobs if (other := job.journal(part)).is_file()]
        if begun and not journal.exists():
            shutil.copyfile(max(begun, key=lambda path: path.stat().st_size), journal)
        return False

    def _judge(self, part: int, source: Parts) -> None:
        record = source.check(part)
        tables = (
            pd.read_parquet(source.path(part, file)) for file in (VERDICTS_FILE, DEFECTS_FILE)
        )
        verdicts, defects = self._rules.judge_tables(*tables)
        judged = judged_record(verdicts, defects, self._rules.config, self._rules.class_names)
        submission = source.path(part, SUBMISSION_FILE).read_bytes()
        self._target.write(part, verdicts, defects, submission, record | judged)
