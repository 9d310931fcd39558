"""Nodes that judge a folder of new sheets with a model package."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from steel_defects.inspection.config import InspectionConfig
from steel_defects.inspection.package import ModelPackage
from steel_defects.sheets.config import PositionsConfig
from steel_defects.sheets.folder import SheetFolder
from steel_defects.sheets.positions import find_positions

if TYPE_CHECKING:
    from steel_defects.inspection.cascade import InspectedSheet

logger = logging.getLogger(__name__)

Json = dict[str, Any]
_QUIET_SECONDS = 5.0  # longest time without a word in the log


def inspect_sheets(
    inspection_sheets: SheetFolder,
    inspection_package: ModelPackage,
    inspection_positions: pd.DataFrame,
    inspection: InspectionConfig,
    positions: PositionsConfig,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, Json, Json]:
    """Judge every sheet: the gate sees all, the segmenter those it does not clear."""
    from steel_defects.inspection import tables
    from steel_defects.inspection.cascade import Cascade, inspect_folder
    from steel_defects.inspection.runtimes import KerasRuntime

    # First, so that a file of positions that can't be used ends the run before the long work.
    places = _locate(inspection_sheets, inspection_positions, positions)
    cascade = Cascade(inspection_package, KerasRuntime(inspection_package), inspection)
    started = time.perf_counter()
    inspected = list(_with_progress(inspect_folder(cascade, inspection_sheets), inspection_sheets))
    seconds = time.perf_counter() - started
    return (
        tables.verdicts_table(
            inspected, inspection_sheets, inspection_package, places, datetime.now(UTC)
        ),
        tables.defects_table(inspected, inspection, places, inspection_package.manifest.mm_per_px),
        tables.submission(inspected),
        tables.summarise(inspected, inspection_package),
        tables.timing(inspected, seconds),
    )


def _with_progress(
    inspected: Iterable["InspectedSheet"], sheets: SheetFolder
) -> Iterator["InspectedSheet"]:
    """Hand the sheets on, and say in the log how far inspection is."""
    started, said, cleared = time.perf_counter(), 0.0, 0
    for done, sheet in enumerate(inspected, start=1):
        cleared += sheet.verdict.reason == "cleared by the gate"
        elapsed = time.perf_counter() - started
        if elapsed - said > _QUIET_SECONDS or done == len(sheets):
            said = elapsed
            logger.info(
                "inspected %d of %d sheets, %.1f a second, %.0f %% cleared by the gate",
                done, len(sheets), done / elapsed, 100 * cleared / done,
            )  # fmt: skip
        yield sheet


def _locate(sheets: SheetFolder, table: pd.DataFrame, config: PositionsConfig) -> pd.DataFrame:
    """Find coil and position of each sheet; what is wrong with them is for the log."""
    places, findings = find_positions(sheets.sheet_ids, table, config)
    if findings:
        first = findings[0]
        logger.warning(
            "%d findings in the positions of sheets; the first: %s (%s), %s",
            len(findings), first.where, first.sheet_id, first.reason,
        )  # fmt: skip
    return places


def draw_inspection_overlays(
    verdicts: pd.DataFrame,
    submission: pd.DataFrame,
    inspection_sheets: SheetFolder,
    inspection_package: ModelPackage,
    inspection: InspectionConfig,
) -> dict[str, Callable[[], np.ndarray]]:
    """Lay the masks over all rejected and reviewed sheets and some accepted ones."""
    keys = submission["ImageId_ClassId"].str.rpartition("_")
    masks = pd.DataFrame(
        {"sheet_id": keys[0], "class_id": keys[2], "rle": submission["EncodedPixels"]}
    )
    readable = verdicts[~verdicts["reason"].str.startswith("unreadable")]
    accepted = readable[readable["verdict"] == "accept"].head(inspection.accepted_overlays)
    drawn = pd.concat([readable[readable["verdict"] != "accept"], accepted])

    def draw(sheet_id: str) -> np.ndarray:
        from steel_defects.annotations import rle as run_length
        from steel_defects.reporting.overlays import draw_overlay

        image = inspection_sheets[sheet_id]
        rows = masks[(masks["sheet_id"] == sheet_id) & (masks["rle"] != "")]
        dense = {
            int(row.class_id): run_length.decode(row.rle, *image.shape) for row in rows.itertuples()
        }
        return draw_overlay(image, dense, inspection_package.manifest.class_names)

    return {
        f"{verdict}_{sheet_id.replace('/', '_')}.jpg": partial(draw, sheet_id)
        for sheet_id, verdict in drawn[["sheet_id", "verdict"]].itertuples(index=False, name=None)
    }
