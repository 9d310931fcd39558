"""Nodes that find labels in doubt, and make a job for a labelling tool."""

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd

from steel_defects.data.config import DataEngineeringConfig
from steel_defects.data.labelling import (
    LABELLED,
    Candidates,
    LabellingConfig,
    choose,
    doubtful_labels,
    job_name,
    labelling_sheets,
    odd_sheets,
    reviewed_sheets,
)
from steel_defects.datasets.trained_models import TrainedSegmenter
from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.label_issues import label_issues
from steel_defects.images.folder import SheetFolder
from steel_defects.images.reading import UnreadableSheet, decode_gray
from steel_defects.inspection.sources import SheetSource
from steel_defects.labels.formats.outlined import (
    Encoded,
    OutlinedPicture,
    as_coco,
    as_tasks,
    labelling_interface,
)
from steel_defects.labels.masks import masks_by_sheet, sizes_by_sheet

logger = logging.getLogger(__name__)

#: Folder of a job with its pictures, by the names that its files have for them.
PICTURES = "images"


def rank_label_issues(
    chosen_segmenter: TrainedSegmenter,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
) -> pd.DataFrame:
    """Rank the labels that the chosen segmenter contradicts, of sheets that it had not seen."""
    names = data_engineering.class_names
    return label_issues(chosen_segmenter.predictions, annotations, sheets, names)


def choose_sheets(
    label_issues: pd.DataFrame,
    oddest_sheets: pd.DataFrame,
    sheets: pd.DataFrame,
    splits: pd.DataFrame,
    inspected_verdicts: pd.DataFrame,
    inspected_pictures: SheetSource | None,
    sent_to_label: pd.DataFrame,
    labelling: LabellingConfig,
) -> pd.DataFrame:
    """Choose labels in doubt, odd sheets and reviewed sheets by turns, and say why.

    Raises:
        SteelDefectsError: There is nothing to look at.
    """
    labelled = sheets.merge(splits[["sheet_id", "split"]], on="sheet_id")
    if not labelling.test:
        labelled = labelled[labelled["split"] != "test"]
    known = set(labelled["sheet_id"])
    groups = dict(zip(labelled["sheet_id"], labelled["group_id"], strict=True))
    candidates = [
        doubtful_labels(label_issues[label_issues["sheet_id"].isin(known)]),
        odd_sheets(oddest_sheets[oddest_sheets["sheet_id"].isin(known)], groups),
    ]
    reviews = reviewed_sheets(inspected_verdicts) if len(inspected_verdicts) else []
    reviews = reviews[: labelling.sheets]
    new = _new_pictures([one.sheet_id for one in reviews], inspected_pictures)
    new = new[~new["sha256"].isin(sheets["sha256"])]
    there = set(new["sheet_id"])
    kept = [one for one in reviews if one.sheet_id in there]
    chosen = choose(Candidates(candidates, [kept]), labelling.sheets)
    if not chosen:
        raise SteelDefectsError(
            "there is nothing to label: no label is in doubt, no sheet is odd, and no inspected "
            "sheet waits for review"
        )
    job = job_name(datetime.now(UTC).date(), sent_to_label)
    return labelling_sheets(chosen, labelled, new, job, sent_to_label)


def _new_pictures(sheet_ids: list[str], source: SheetSource | None) -> pd.DataFrame:
    """Return ``sheet_id, path, sha256`` of the inspected pictures that people can look at."""
    rows, faults = [], []
    for sheet_id in sheet_ids:
        try:
            data = _picture(source, sheet_id)
            rows.append((sheet_id, _path(source, sheet_id), hashlib.sha256(data).hexdigest()))
        except UnreadableSheet as error:
            faults.append(f"{sheet_id}: {error}")
    if faults and not rows:
        raise SteelDefectsError(
            f"no inspected sheet that waits for review can be read ({faults[0]}); give the folder "
            "that was inspected with --params sheets_dir=PATH"
        )
    if faults:
        logger.warning(
            "%d inspected sheets can't be read, and are left out: %s", len(faults), faults[0]
        )
    return pd.DataFrame(rows, columns=["sheet_id", "path", "sha256"], dtype="str")


def _picture(source: SheetSource | None, sheet_id: str) -> bytes:
    if source is None:
        raise UnreadableSheet("there is no folder of inspected sheets")
    data = source.read_file(sheet_id)
    decode_gray(data)
    return data


def _path(source: SheetSource | None, sheet_id: str) -> str:
    return source.relative_path(sheet_id) if source else sheet_id


def make_labelling_job(
    labelling_sheets: pd.DataFrame,
    raw_sheets: SheetFolder,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    chosen_segmenter: TrainedSegmenter,
    inspected_masks: pd.DataFrame,
    inspected_pictures: SheetSource | None,
    data_engineering: DataEngineeringConfig,
) -> Mapping[str, Callable[[], bytes]]:
    """Write pictures, outlines in COCO and for Label Studio, and the list of sheets with reasons.

    Outlines are the model's. A sheet that training saw has none, and gets its labels.
    """
    job = labelling_sheets[labelling_sheets["job"] == labelling_sheets["job"].iloc[-1]]
    pictures = _Pictures(raw_sheets, inspected_pictures)
    outlines = _Outlines(
        masks_by_sheet(annotations),
        _predicted(chosen_segmenter.predictions),
        _submitted(inspected_masks),
        sizes_by_sheet(sheets),
    )
    rows = [_Row(*row) for row in job[_ROW].itertuples(index=False, name=None)]
    outlined = [outlines.of(row, pictures) for row in rows]
    names = data_engineering.class_names
    model = f"{chosen_segmenter.name} {chosen_segmenter.version}"
    logger.info("%d sheets to label: %s", len(rows), _counts(job))
    texts = {
        "coco.json": as_coco(outlined, names),
        "label_studio.json": as_tasks(outlined, names, model),
        "label_studio_interface.xml": labelling_interface(names),
        "sheets.csv": job.to_csv(index=False),
    }
    files = {name: lambda text=text: text.encode() for name, text in texts.items()}
    return files | {
        f"{PICTURES}/{row.name}": lambda row=row: pictures.bytes_of(row) for row in rows
    }


def _counts(job: pd.DataFrame) -> str:
    counts = job["origin"].value_counts().items()
    return ", ".join(f"{number:,} {origin}" for origin, number in counts)


_ROW = ["name", "sheet_id", "origin", "why"]


@dataclass(frozen=True)
class _Row:
    name: str
    sheet_id: str
    origin: str
    why: str


@dataclass(frozen=True)
class _Pictures:
    labelled: SheetFolder
    inspected: SheetSource | None

    def bytes_of(self, row: _Row) -> bytes:
        if row.origin == LABELLED:
            return self.labelled.read_file(row.sheet_id)
        return _picture(self.inspected, row.sheet_id)


@dataclass(frozen=True)
class _Outlines:
    """Encoded masks by sheet, of labels, predictions and inspection, and sizes of labelled ones."""

    labels: Mapping[str, Encoded]
    predicted: Mapping[str, Encoded]
    inspected: Mapping[str, Encoded]
    sizes: Mapping[str, tuple[int, int]]

    def of(self, row: _Row, pictures: _Pictures) -> OutlinedPicture:
        if row.origin == LABELLED:
            labels = self.labels.get(row.sheet_id, {})
            masks = self.predicted.get(row.sheet_id, labels)
            return OutlinedPicture(row.name, self.sizes[row.sheet_id], masks, labels, row.why)
        height, width = decode_gray(pictures.bytes_of(row)).shape
        masks = self.inspected.get(row.sheet_id, {})
        return OutlinedPicture(row.name, (height, width), masks, None, row.why)


def _predicted(predictions: pd.DataFrame) -> Mapping[str, Encoded]:
    """Return the masks of each sheet, of the first repeat out of fold, if there is one."""
    order = predictions.sort_values("repeat", na_position="last", kind="stable")
    once = order.drop_duplicates(["sheet_id", "class_id"])
    masks = masks_by_sheet(once[once["rle"] != ""])
    return {sheet_id: masks.get(sheet_id, {}) for sheet_id in once["sheet_id"].unique()}


def _submitted(submission: pd.DataFrame) -> Mapping[str, Encoded]:
    masks: dict[str, dict[int, str]] = {}
    for name, rle in _submission_rows(submission):
        sheet_id, _, class_id = name.rpartition("_")
        if rle:
            masks.setdefault(sheet_id, {})[int(class_id)] = rle
    return masks


def _submission_rows(submission: pd.DataFrame) -> Iterator[tuple[str, str]]:
    if len(submission):
        columns = submission[["ImageId_ClassId", "EncodedPixels"]]
        yield from columns.itertuples(index=False, name=None)
