"""Nodes that find labels in doubt, and make a job for a labelling tool."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import pandas as pd

from steel_defects.data.config import DataEngineeringConfig
from steel_defects.data.labelling import (
    LABELLED,
    NEW,
    Candidates,
    LabellingConfig,
    SheetToLabel,
    choose,
    doubtful_labels,
    job_name,
    labelling_sheets,
    odd_sheets,
    sheets_of_job,
)
from steel_defects.datasets.labelling_jobs import LabellingJob
from steel_defects.datasets.trained_models import TrainedSegmenter
from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.label_issues import label_issues
from steel_defects.images.folder import SheetFolder
from steel_defects.inspection.sources import SheetSource
from steel_defects.labels.corrections import digest_of
from steel_defects.labels.formats.outlined import (
    PICTURES,
    Encoded,
    OutlinedPicture,
    as_coco,
    as_tasks,
    labelling_interface,
)
from steel_defects.labels.masks import masks_by_sheet, sizes_by_sheet
from steel_defects.pipelines.labelling.new_sheets import Data, Inspected, NewSheets, new_sheets

logger = logging.getLogger(__name__)


def rank_label_issues(
    chosen_segmenter: TrainedSegmenter,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
) -> pd.DataFrame:
    """Rank the labels that the chosen segmenter contradicts, of sheets that it had not seen."""
    names = data_engineering.class_names
    return label_issues(chosen_segmenter.predictions, annotations, sheets, names)


def make_labelling_job(
    label_issues: pd.DataFrame,
    oddest_sheets: pd.DataFrame,
    raw_sheets: SheetFolder,
    sheet_inventory: pd.DataFrame,
    similar_sheets: pd.DataFrame,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    splits: pd.DataFrame,
    label_corrections: pd.DataFrame,
    chosen_segmenter: TrainedSegmenter,
    inspected_verdicts: pd.DataFrame,
    inspected_masks: pd.DataFrame,
    inspected_pictures: SheetSource | None,
    earlier_labelling_sheets: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
    labelling: LabellingConfig,
) -> tuple[LabellingJob, pd.DataFrame]:
    """Choose labels in doubt, odd sheets and inspected sheets by turns, and make a job of them.

    Outlines are the model's. A sheet of which it says nothing, since it learned from it, gets its
    labels.

    Returns:
        The job, and the table ``labelling_sheets``.

    Raises:
        SteelDefectsError: There is nothing to look at.
    """
    labelled = sheets.merge(splits[["sheet_id", "split"]], on="sheet_id")
    back = (labelled["split"] == "test") & (not labelling.test)
    inspected = Inspected(inspected_verdicts, inspected_masks, inspected_pictures)
    data = Data(sheet_inventory, similar_sheets, labelled.loc[back, "sheet_id"], raw_sheets)
    labelled = labelled[~back]
    new = new_sheets(inspected, labelling, data, data_engineering.seed)
    # What people have just looked at need not go out again.
    doubted = labelled[~labelled["sheet_id"].isin(label_corrections["sheet_id"])]
    chosen = _chosen(label_issues, oddest_sheets, doubted, new, labelling.sheets)
    job = job_name(datetime.now(UTC).date(), earlier_labelling_sheets, sheet_inventory["sheet_id"])
    rows = sheets_of_job(chosen, labelled, new.table, job)
    labels, predicted = masks_by_sheet(annotations), _predicted(chosen_segmenter.predictions)
    sizes = {LABELLED: sizes_by_sheet(sheets), NEW: sizes_by_sheet(new.table)}
    outlined = list(map(_Outlines(labels, predicted, inspected, sizes).of, rows))
    table = labelling_sheets(
        rows, [digest_of(one.masks) for one in outlined], job, earlier_labelling_sheets
    )
    texts = _texts(outlined, chosen_segmenter, data_engineering.class_names)
    texts["sheets.csv"] = table[table["job"] == job].to_csv(index=False)
    logger.info("labelling job %s: %s", job, _counts(rows))
    return LabellingJob(job, _files(texts, rows, raw_sheets, inspected)), table


def _files(
    texts: Mapping[str, str],
    rows: Sequence[SheetToLabel],
    folder: SheetFolder,
    inspected: Inspected,
) -> dict[str, Callable[[], bytes]]:
    files: dict[str, Callable[[], bytes]] = {
        name: partial(str.encode, text) for name, text in texts.items()
    }
    return files | {
        f"{PICTURES}/{row.name}": partial(_bytes_of, row, folder, inspected) for row in rows
    }


def _chosen(
    issues: pd.DataFrame, oddest: pd.DataFrame, labelled: pd.DataFrame, new: NewSheets, most: int
) -> dict[tuple[str, str], str]:
    known = set(labelled["sheet_id"])
    groups = dict(zip(labelled["sheet_id"], labelled["group_id"], strict=True))
    lists = [
        doubtful_labels(issues[issues["sheet_id"].isin(known)]),
        odd_sheets(oddest[oddest["sheet_id"].isin(known)], groups),
    ]
    chosen = choose(Candidates(lists, new.lists), most)
    if not chosen:
        raise SteelDefectsError(
            "there is nothing to label: no label is in doubt, no sheet is odd, and none was "
            "inspected"
        )
    return chosen


def _counts(rows: Sequence[SheetToLabel]) -> str:
    labelled = sum(row.origin == LABELLED for row in rows)
    return f"{labelled:,} labelled sheets and {len(rows) - labelled:,} new ones"


def _texts(
    outlined: Sequence[OutlinedPicture], segmenter: TrainedSegmenter, names: Sequence[str]
) -> dict[str, str]:
    return {
        "coco.json": as_coco(outlined, names),
        "label_studio.json": as_tasks(outlined, names, f"{segmenter.name} {segmenter.version}"),
        "label_studio_interface.xml": labelling_interface(names),
    }


def _bytes_of(row: SheetToLabel, folder: SheetFolder, inspected: Inspected) -> bytes:
    if row.origin == LABELLED:
        return folder.read_file(row.sheet_id)
    return inspected.read(row.sheet_id)


@dataclass(frozen=True)
class _Outlines:
    """Encoded masks by sheet, of labels, predictions and inspection, and sizes by origin."""

    labels: Mapping[str, Encoded]
    predicted: Mapping[str, Encoded]
    inspected: Inspected
    sizes: Mapping[str, Mapping[str, tuple[int, int]]]

    def of(self, row: SheetToLabel) -> OutlinedPicture:
        size = self.sizes[row.origin][row.sheet_id]
        if row.origin == LABELLED:
            labels = self.labels.get(row.sheet_id, {})
            masks = self.predicted.get(row.sheet_id, labels)
            return OutlinedPicture(row.name, size, masks, labels, row.why)
        masks = self.inspected.outlines.get(row.sheet_id, {})
        return OutlinedPicture(row.name, size, masks, None, row.why)


def _predicted(predictions: pd.DataFrame) -> Mapping[str, Encoded]:
    """Return the masks of each sheet, of the first repeat out of fold, if there is one."""
    order = predictions.sort_values("repeat", na_position="last", kind="stable")
    once = order.drop_duplicates(["sheet_id", "class_id"])
    masks = masks_by_sheet(once[once["rle"] != ""])
    return {sheet_id: masks.get(sheet_id, {}) for sheet_id in once["sheet_id"].unique()}
