"""Labels that came back: what people labelled again takes the place of what was there.

Each folder below ``corrections`` holds one export of a labelling tool. They are read in the order
of their names; where two answer one sheet, the later one counts.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from steel_defects.errors import SteelDefectsError
from steel_defects.labels import rle as run_length
from steel_defects.labels.drawn import Classes, Sheets, masks_of
from steel_defects.labels.formats.files import named
from steel_defects.labels.formats.recognise import CORRECTIONS, READERS, LabelFolder, recognise
from steel_defects.labels.masks import NOT_LABELLED, Finding, Masks, masks_by_sheet
from steel_defects.paths import is_housekeeping, natural_order

Sizes = Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class Correction:
    """One export.

    Attributes:
        source: Its folder below the data folder, POSIX.
        masks: What it says of the sheets that it answers, and what is wrong with it.
        written: When its newest file was written, seconds since 1970.
    """

    source: str
    masks: Masks
    written: float

    def answered_at(self, sheet_id: str) -> float:
        """Return when a sheet was labelled, as the export says, or else when it was written."""
        said = self.masks.answered[sheet_id]
        return self.written if said is None else said


def read_corrections(
    folder: Path, sizes: Sizes, classes: Classes, follow_links: bool = False
) -> list[Correction]:
    """Read all exports below a folder; none where there is no folder.

    Args:
        folder: Its name is ``corrections``.
        sizes: Height and width, pixels, of each sound sheet, by its id. Exports name sheets by
            their ids, as they were sent.
        classes: What the names of classes mean.
        follow_links: Look into folders that are links.

    Raises:
        SteelDefectsError: An export can't be read, or names no picture that is there.
    """
    if not folder.is_dir():
        return []
    names = sorted((one.name for one in folder.iterdir()), key=natural_order)
    corrections = []
    for place in (folder / name for name in names if not is_housekeeping(name)):
        if not place.is_dir():
            raise SteelDefectsError(
                f"{named(place)} lies beside the exports; put each into a folder of its own, such "
                f"as {CORRECTIONS}/2026-11-28"
            )
        corrections.append(_read(place, sizes, classes, follow_links))
    return corrections


def _read(place: Path, sizes: Sizes, classes: Classes, follow_links: bool) -> Correction:
    found = recognise(LabelFolder(place, follow_links))
    sheets = Sheets({sheet_id: sheet_id for sheet_id in sizes}, sizes)
    masks = masks_of(READERS[found.kind](found.root, found.files), sheets, classes)
    if masks.labels and not masks.matched:
        raise SteelDefectsError(
            f"none of the {masks.labels:,} labels in {named(place)} names a picture that is there; "
            "copy new pictures of the labelling job into the folder of pictures first"
        )
    source = f"{CORRECTIONS}/{place.name}"
    findings = [
        replace(one, where=f"{source}, {one.where}")
        for one in masks.findings
        if not (one.set_aside and one.sheet_id in masks.unlabelled)
    ]
    written = max(path.stat().st_mtime for path in found.files)
    return Correction(source, replace(masks, findings=findings), written)


def corrected(labels: Masks, corrections: Sequence[Correction]) -> Masks:
    """Let each sheet have the masks and the faults of the last source that answers it."""
    for one in corrections:
        labels = _merged(labels, one.masks)
    return labels


def _merged(labels: Masks, newer: Masks) -> Masks:
    answered = newer.answered.keys()
    others = labels.table[~labels.table["sheet_id"].isin(set(answered))]
    mine = newer.table[newer.table["sheet_id"].isin(set(answered))]
    claims = {one: classes for one, classes in labels.claims.items() if one not in answered}
    table = pd.concat([others, mine], ignore_index=True)
    return replace(
        labels,
        table=table.sort_values(["sheet_id", "class_id"], ignore_index=True),
        findings=[one for one in labels.findings if one.sheet_id not in answered] + newer.findings,
        claims=claims | dict(newer.claims),
        void={one: rle for one, rle in labels.void.items() if one not in answered}
        | dict(newer.void),
        unlabelled=labels.unlabelled - answered,
        answered={**labels.answered, **newer.answered},
    )


def without_answer(labels: Masks, sent: Collection[str]) -> Masks:
    """Leave out new sheets that were sent to be labelled and have no label: they are not clean."""
    open_ones = set(sent) - labels.claims.keys() - labels.answered.keys() - labels.unlabelled
    reason = f"{NOT_LABELLED}: it was sent to be labelled, and no finished answer came back"
    findings = [Finding(f"picture {one}", one, reason) for one in sorted(open_ones)]
    return replace(
        labels,
        findings=labels.findings + findings,
        unlabelled=labels.unlabelled | open_ones,
    )


@dataclass(frozen=True)
class Relabelled:
    """What became of the label of a sheet.

    Attributes:
        sheet_id: The sheet.
        source: Where its label stands now.
        labelled_at: When it was given, seconds since 1970.
        was_labelled: Whether it had a label before.
        before_px: Area of all classes before, pixels.
        after_px: The same now.
        overlap: Intersection over union of the masks before and now, the least of all classes
            that it has or had; 1 where there are none.
    """

    sheet_id: str
    source: str
    labelled_at: float
    was_labelled: bool
    before_px: int
    after_px: int
    overlap: float


def relabelled(labels: Masks, corrections: Sequence[Correction], sizes: Sizes) -> list[Relabelled]:
    """Compare the labels with what came back, one entry per sheet that was labelled again."""
    last = {sheet_id: one for one in corrections for sheet_id in one.masks.answered}
    before = masks_by_sheet(labels.table)
    after = {one.source: masks_by_sheet(one.masks.table) for one in corrections}
    return [
        Relabelled(
            sheet_id,
            one.source,
            one.answered_at(sheet_id),
            sheet_id not in labels.unlabelled,
            *_compared(
                before.get(sheet_id, {}), after[one.source].get(sheet_id, {}), sizes[sheet_id]
            ),
        )
        for sheet_id, one in sorted(last.items())
        if sheet_id in sizes
    ]


def _compared(
    before: Mapping[int, str], after: Mapping[int, str], size: tuple[int, int]
) -> tuple[int, int, float]:
    areas = [sum(map(run_length.area, masks.values())) for masks in (before, after)]
    overlaps = list(_overlaps(before, after, size))
    return areas[0], areas[1], min(overlaps, default=1.0)


def _overlaps(
    before: Mapping[int, str], after: Mapping[int, str], size: tuple[int, int]
) -> Iterator[float]:
    for class_id in before.keys() | after.keys():
        one, other = (
            run_length.decode(masks.get(class_id, ""), *size) for masks in (before, after)
        )
        both = int((one & other).sum())
        yield run_length.iou(both, int(one.sum()), int(other.sum()))
