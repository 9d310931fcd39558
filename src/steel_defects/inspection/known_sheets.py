"""Judging labelled sheets as inspection would, each by itself, and keeping nothing on disk."""

from collections.abc import Iterable, Sequence

import pandas as pd

from steel_defects.decision import reasons
from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.promotion import JudgedSheets
from steel_defects.images.folder import SheetFolder
from steel_defects.inspection.cascade import Cascade, InspectedSheet
from steel_defects.inspection.config import InspectionConfig
from steel_defects.inspection.frames import read_frame
from steel_defects.package.folder import ModelPackage
from steel_defects.package.runtimes import load_runtime
from steel_defects.progress import track
from steel_defects.threads import map_in_order

_CLEARED = (reasons.CLEARED, reasons.CLEARED_BY_BOTH)


def judge_known_sheets(
    package: ModelPackage, folder: SheetFolder, sheet_ids: Sequence[str], config: InspectionConfig
) -> JudgedSheets:
    """Let the trained networks of a package judge sheets, in the given order; imports Keras.

    Limits, recall and sizes are those that inspection takes. That a sheet repeats the one before it
    does not count.

    Raises:
        SteelDefectsError: A sheet is not in the folder, or can no longer be read.
    """
    config = config.for_classes(package.manifest.class_names)
    runtime = load_runtime(package, "keras", config.execution)
    cascade = Cascade(package, runtime, config)

    def judge(sheet_id: str) -> InspectedSheet:
        frame = read_frame(folder.read_file, sheet_id, cascade.accepted.bits)
        if frame.problem:
            raise SteelDefectsError(
                f"{sheet_id} of {folder.picture_folder} cannot be judged: {frame.problem}; give "
                "the folder of the data with --params raw_dir=PATH, or run data_engineering again"
            )
        return cascade.judge(frame)

    parallel = runtime.parallel
    judged = map_in_order(judge, sheet_ids, 0 if parallel == 1 else parallel, parallel)
    return judged_sheets(track(judged, len(sheet_ids), f"judging with {package.folder.name}"))


def judged_sheets(inspected: Iterable[InspectedSheet]) -> JudgedSheets:
    """Put verdicts and masks of inspected sheets into tables."""
    verdicts, masks = [], []
    for sheet in inspected:
        reason = sheet.verdict.reason
        verdicts.append((sheet.sheet_id, sheet.verdict.verdict, reason in _CLEARED))
        masks += [(sheet.sheet_id, k, rle) for k, rle in enumerate(sheet.masks, start=1)]
    return JudgedSheets(
        pd.DataFrame(verdicts, columns=["sheet_id", "verdict", "cleared"]),
        pd.DataFrame(masks, columns=["sheet_id", "class_id", "rle"]),
    )
