"""Verdicts, defects and the submission: of some sheets, and of a whole job."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from steel_defects.decision.limits import VerdictConfig, severity
from steel_defects.decision.regions import Region
from steel_defects.inspection.cascade import InspectedSheet
from steel_defects.inspection.drift import reference_sheets
from steel_defects.inspection.store.parts import (
    DEFECTS_FILE,
    SUBMISSION_FILE,
    VERDICTS_FILE,
    JoinedTable,
    Parts,
)
from steel_defects.inspection.store.records import summarise, timing
from steel_defects.labels.severstal import submission_table
from steel_defects.package.folder import ModelPackage
from steel_defects.package.recall import recall_in_force
from steel_defects.tables.declared import DEFECTS, VERDICTS


def verdicts_table(
    inspected: Sequence[InspectedSheet],
    relative_path: Callable[[str], str],
    package: ModelPackage,
    rules: VerdictConfig,
    positions: pd.DataFrame,
) -> pd.DataFrame:
    """Return one row per sheet that a package inspected.

    ``positions`` has ``sheet_id, coil_id, position_mm`` of each sheet, null where unknown;
    millimetres along the strip, of its left edge. ``relative_path`` returns what the table holds.
    """
    places = positions.set_index("sheet_id").to_dict("index")
    rows = [
        {
            "sheet_id": sheet.sheet_id,
            "path": relative_path(sheet.sheet_id),
            **places[sheet.sheet_id],
            "gate_score": sheet.gate_score,
            "joint_score": sheet.joint_score,
            "margin": sheet.margin,
            **vars(sheet.verdict),
            "remarks": sheet.remarks,
            **defects_of_sheet(
                sheet.regions,
                severities(sheet.regions, rules),
                rules,
                package.manifest.class_names,
            ),
            "model_id": package.model_id,
            "thresholds_id": package.thresholds_id,
            "inspected_at": sheet.inspected_at,
        }
        for sheet in inspected
    ]
    return VERDICTS.typed(rows)


def defects_of_sheet(
    regions: Sequence[Region],
    ranked: Sequence[str],
    rules: VerdictConfig,
    class_names: Sequence[str],
) -> dict[str, Any]:
    """Sum up the regions of a sheet, those of ignored classes apart; ``ranked`` are severities."""
    counted = rules.counted(regions)
    of_counted = (
        name
        for region, name in zip(regions, ranked, strict=True)
        if region.class_id not in rules.ignore_classes
    )
    return {
        "defect_count": len(counted),
        "defect_area_px": sum(region.area_px for region in counted),
        "classes": [class_names[k - 1] for k in sorted({region.class_id for region in counted})],
        "severity": max(set(of_counted), key=rules.severities.index, default=None),
        "ignored_count": len(regions) - len(counted),
    }


def severities(regions: Sequence[Region], rules: VerdictConfig) -> list[str]:
    """Return the severity of each region of a sheet."""
    counts = Counter(region.class_id for region in regions)
    return [severity(region, rules, counts[region.class_id]) for region in regions]


def defects_table(
    inspected: Sequence[InspectedSheet],
    package: ModelPackage,
    rules: VerdictConfig,
    positions: pd.DataFrame,
) -> pd.DataFrame:
    """Return one row per defect region of sheets with ``positions`` as in :func:`verdicts_table`.

    ``position_mm`` of a region is that of its left edge, its sheet's + ``x * mm_per_px``: positions
    grow from left to right. Where the package does not know ``mm_per_px``, the length of a pixel on
    the strip, it is that of its sheet.
    """
    mm_per_px, class_names = package.manifest.mm_per_px, package.manifest.class_names
    places = positions.set_index("sheet_id").to_dict("index")
    rows = [
        {
            "sheet_id": sheet.sheet_id,
            "class_name": class_names[region.class_id - 1],
            "coil_id": places[sheet.sheet_id]["coil_id"],
            "position_mm": places[sheet.sheet_id]["position_mm"] + region.x * (mm_per_px or 0.0),
            **vars(region),
            "area_mm2": region.area_px * mm_per_px**2 if mm_per_px else None,
            "length_mm": region.length_px * mm_per_px if mm_per_px else None,
            "severity": region_severity,
            "ignored": region.class_id in rules.ignore_classes,
        }
        for sheet in inspected
        for region, region_severity in zip(
            sheet.regions, severities(sheet.regions, rules), strict=True
        )
    ]
    return DEFECTS.typed(rows)


def submission(inspected: Sequence[InspectedSheet]) -> pd.DataFrame:
    """Return the competition's table: one row per sheet and class."""
    rows = [
        (sheet.sheet_id, number, rle)
        for sheet in inspected
        for number, rle in enumerate(sheet.masks, start=1)
    ]
    return submission_table(pd.DataFrame(rows, columns=["sheet_id", "class_id", "rle"]))


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
            table(VERDICTS_FILE, empty=VERDICTS.empty()),
            table(DEFECTS_FILE, empty=DEFECTS.empty()),
            table(SUBMISSION_FILE, empty=submission([])),
        )

    def summary(self, package: ModelPackage) -> dict[str, Any]:
        """Count verdicts and defects, see :func:`summarise`, and say what the verdicts stand on."""
        recall, manifest = recall_in_force(package), package.manifest
        records = map(self.parts.record, self.numbers)
        return {
            **summarise(records, manifest.class_names, reference_sheets(manifest.reference)),
            "package_version": manifest.version or None,
            "model_id": package.model_id,
            "thresholds_id": package.thresholds_id,
            "recall": recall.model_dump() if recall else None,
            **self.reference(),
            "complete": self.complete,
        }

    def timing(self) -> dict[str, float | None]:
        """Return how long it took; see ``store.records.timing``."""
        return timing(map(self.parts.record, self.numbers))
