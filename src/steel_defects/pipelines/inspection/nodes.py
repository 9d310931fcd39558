"""Nodes that judge new sheets with a model package."""

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from steel_defects.data.config import PositionsConfig
from steel_defects.images.folder import SheetFolder
from steel_defects.inspection.config import InspectionConfig
from steel_defects.inspection.sources import SheetSource
from steel_defects.inspection.store.parts import JoinedTable
from steel_defects.package.folder import ModelPackage

logger = logging.getLogger(__name__)

Json = dict[str, Any]

_LIVE = "overlays"  # folder of a job in which sheets are drawn while a folder is watched


def inspect_sheets(
    inspection_sheets: SheetSource,
    inspection_package: ModelPackage,
    inspection_positions: pd.DataFrame,
    inspection_jobs: Path,
    inspection: InspectionConfig,
    positions: PositionsConfig,
) -> Json:
    """Judge every sheet: the gate sees all, the segmenter those it does not clear.

    Returns:
        Which parts of which job hold the results; :func:`collect_results` makes tables of them.
    """
    from steel_defects.inspection.cascade import Cascade
    from steel_defects.inspection.follow import follow_folder
    from steel_defects.inspection.job import Inspection, run_job
    from steel_defects.inspection.places import Places
    from steel_defects.package.recall import at_recall
    from steel_defects.package.runtimes import DeferredRuntime
    from steel_defects.pipelines.inspection.overlays import LiveOverlays

    def exists(sheet_id: str) -> bool:
        return inspection.follow or os.path.lexists(inspection_sheets.path_of(sheet_id))

    package = at_recall(inspection_package, inspection.target_recall)
    manifest = package.manifest
    logger.info("judging with the package %s", package.in_words)
    if left_out := _not_looked_at(inspection_sheets):
        logger.warning("not looked at: %s", left_out)
    if not manifest.learned:
        logger.warning("the package does not say which pictures it learned: it judges any size")
    inspection = inspection.for_classes(manifest.class_names)
    # First, so that a file of positions that can't be used ends the run before the long work.
    places = Places(inspection_positions, positions, exists, grows=inspection.follow)
    runtime = DeferredRuntime(package, inspection.runtime, inspection.execution)
    cascade = Cascade(package, runtime, inspection)
    setup = Inspection(inspection_sheets, package, cascade, places, inspection)
    if not inspection.follow:
        return run_job(setup, inspection_jobs, inspection_positions).reference()
    result = follow_folder(
        setup, inspection_jobs, lambda job: LiveOverlays(job / _LIVE, inspection, manifest)
    )
    return result.reference()


def collect_results(
    inspection_job: Json,
    inspection_jobs: Path,
    inspection_sheets: SheetSource,
    inspection_package: ModelPackage,
    inspection: InspectionConfig,
) -> tuple[JoinedTable, JoinedTable, JoinedTable, Json, Json]:
    """Make verdicts, defects, submission, summary and timing from the parts of a job.

    Kedro has saved ``inspection_job`` by now, so that no other run writes these tables: of several
    machines the last one to come here takes the parts of all.
    """
    from steel_defects.inspection.tables import result_of
    from steel_defects.package.recall import at_recall, recall_in_force

    package = at_recall(inspection_package, inspection.target_recall)
    result = result_of(inspection_jobs, inspection_job).refreshed()
    tables, summary = result.tables(), result.summary(package)
    summary["not_looked_at"] = _not_looked_at(inspection_sheets)
    if recall := recall_in_force(package):
        logger.info(recall.in_words)
    return *tables, summary, result.timing()


def _not_looked_at(sheets: SheetSource) -> str:
    return sheets.left_out if isinstance(sheets, SheetFolder) else ""


def list_sheets_to_check(
    inspection_summary: Json, inspection_jobs: Path, inspection: InspectionConfig
) -> pd.DataFrame:
    """List the sheets that somebody should look at again, the most doubtful first."""
    from steel_defects.inspection.doubt import sheets_to_check
    from steel_defects.inspection.tables import result_of

    verdicts, *_ = result_of(inspection_jobs, inspection_summary).tables()
    return sheets_to_check(verdicts.frames(), inspection.sheets_to_check)


def draw_inspection_overlays(
    inspection_summary: Json,
    inspection_jobs: Path,
    inspection_sheets: SheetSource,
    inspection_package: ModelPackage,
    sheets_to_check: pd.DataFrame,
    inspection: InspectionConfig,
) -> Mapping[str, Callable[[], np.ndarray | bytes]]:
    """Lay the masks over all rejected and reviewed sheets, those to check, and some others."""
    from steel_defects.inspection.sources import as_begun
    from steel_defects.inspection.tables import result_of
    from steel_defects.pipelines.inspection.overlays import drawings, pictures

    result = result_of(inspection_jobs, inspection_summary)
    chosen = drawings(*result.tables(), inspection, set(sheets_to_check["sheet_id"]))
    sheets = as_begun(inspection_sheets, result.parts.folder)
    live = result.parts.folder / _LIVE
    return pictures(chosen, sheets, inspection_package.manifest, live, inspection)


def write_shift_results(
    inspection_summary: Json,
    inspection_timing: Json,
    inspection_jobs: Path,
    inspection_package: ModelPackage,
    sheets_to_check: pd.DataFrame,
    inspection_overlays: SheetFolder,
) -> tuple[Iterable[pd.DataFrame], str]:
    """Write a table for spreadsheets and a page, and say in the log what came out, and where."""
    from steel_defects.inspection.tables import result_of
    from steel_defects.package.recall import RecallInForce
    from steel_defects.pipelines.inspection import shift
    from steel_defects.reporting.inspection_page import InspectionPage, render_inspection_page

    verdicts, *_ = result_of(inspection_jobs, inspection_summary).tables()
    names = inspection_package.manifest.class_names
    shown = shift.PageSheets(shift.severities_of(inspection_summary))
    for table in verdicts.frames():
        shown.add(table)
    lists = shift.page_lists(
        inspection_summary, shown.rejected, sheets_to_check, inspection_overlays, names
    )
    recall = inspection_summary["recall"]
    words = RecallInForce.model_validate(recall).in_words if recall else ""
    proven = f"{words[:1].upper()}{words[1:]}"
    page = InspectionPage(
        inspection_summary,
        inspection_timing,
        shown.when,
        lists,
        shift.FILES,
        proven,
    )
    for line in shift.last_lines(page, inspection_overlays.root):
        logger.info(line)
    # The first table has no rows, so that there is a heading in any case.
    tables = chain([verdicts.empty], verdicts.frames())
    drawn = set(inspection_overlays.sheet_ids)
    return shift.spreadsheet_rows(tables, names, drawn), render_inspection_page(page)
