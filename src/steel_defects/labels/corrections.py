"""Labels that came back: what people labelled again takes the place of what was there.

Each folder below ``corrections`` holds one export of a labelling tool. They are read in the order
of their names; where two answer one sheet, the later one counts.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from steel_defects.errors import SteelDefectsError
from steel_defects.labels import rle as run_length
from steel_defects.labels.drawn import Classes, Sheets, masks_of
from steel_defects.labels.formats.files import named
from steel_defects.labels.formats.recognise import (
    CORRECTIONS,
    READERS,
    LabelFiles,
    LabelFolder,
    kinds_in,
    recognise,
)
from steel_defects.labels.masks import NOT_LABELLED, Finding, Masks, masks_by_sheet
from steel_defects.paths import leave_out_housekeeping, natural_order, shown_name

Sizes = Mapping[str, tuple[int, int]]
Encoded = Mapping[int, str]

#: The formats whose files name pictures by their whole paths.
FORMATS = ("coco", "cvat", "label_studio")
# In these nobody can tell a picture that people looked at from one that they left as it was sent.
_WITHOUT_ANSWERS = ("coco", "cvat")
_DESKTOP = {"Thumbs.db", "desktop.ini"}
_DIGITS = 16


@dataclass(frozen=True)
class SentSheet:
    """A sheet as it was sent to people who label.

    Attributes:
        sheet_id: Its id; that of a new one once it is in its place.
        sha256: Of its file.
        is_new: It had no label then.
        outlines: Short digest of the outlines that it was sent with.
    """

    sheet_id: str
    sha256: str
    is_new: bool
    outlines: str


@dataclass(frozen=True)
class Known:
    """The sheets that there are, and those that were sent.

    Attributes:
        sizes: Height and width, pixels, of each sound sheet, by its id.
        digests: SHA-256 of the file of each.
        sent: By the name that it was sent under.
    """

    sizes: Sizes
    digests: Mapping[str, str]
    sent: Mapping[str, SentSheet] = field(default_factory=dict)

    @cached_property
    def new(self) -> Set[str]:
        """The sheets that were sent when they had no label, by their names or their content."""
        new = [one for one in self.sent.values() if one.is_new]
        names, contents = {one.sheet_id for one in new}, {one.sha256 for one in new}
        return {
            sheet_id
            for sheet_id in self.sizes
            if sheet_id in names or self.digests[sheet_id] in contents
        }

    @cached_property
    def sent_of(self) -> Mapping[str, list[SentSheet]]:
        """What was sent of each sheet."""
        sent: dict[str, list[SentSheet]] = {}
        for one in self.sent.values():
            sent.setdefault(one.sheet_id, []).append(one)
        return sent


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


def digest_of(masks: Encoded) -> str:
    """Return a short digest of the encoded masks of a sheet, by class."""
    text = "\n".join(f"{class_id} {rle}" for class_id, rle in sorted(masks.items()) if rle)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


# === Reading ===


def read_corrections(
    folder: Path, known: Known, labels: Masks, classes: Classes, follow_links: bool = False
) -> tuple[list[Correction], Masks]:
    """Read all exports below a folder; none where there is no folder.

    Args:
        folder: Its name is ``corrections``.
        known: The sheets; exports name them as they were sent.
        labels: Those of before: an answer that changes them must not be what was sent.
        classes: What the names of classes mean.
        follow_links: Look into folders that are links.

    Returns:
        The exports, and the labels in which each sheet has the masks and the faults of the last
        source that answers it.

    Raises:
        SteelDefectsError: An export can't be read, or most of it names no picture that is there.
    """
    if not os.path.lexists(folder):
        return [], labels
    if not folder.is_dir():
        raise SteelDefectsError(
            f"{named(folder)} is no folder, or leads to none; labels that came back would be lost: "
            "mend or remove it"
        )
    names = leave_out_housekeeping(str(folder), (one.name for one in folder.iterdir()))
    corrections: list[Correction] = []
    for name in sorted(names, key=natural_order):
        if name not in _DESKTOP:
            place = _place(folder / name, folder, follow_links)
            corrections.append(_read(place, known, labels, classes))
            labels = _merged(labels, corrections[-1].masks)
    return corrections, labels


def _place(place: Path, folder: Path, follow_links: bool) -> Path:
    if place.is_symlink() and not follow_links:
        raise SteelDefectsError(f"{named(place)} is a link; follow_links=true would read it")
    if not place.is_dir():
        raise SteelDefectsError(
            f"{named(place)} lies beside the exports; put each into a folder of its own, such as "
            f"{CORRECTIONS}/2026-11-28, and unpack archives"
        )
    if folder.resolve().is_relative_to(place.resolve()):
        raise SteelDefectsError(f"{named(place)} is a link to a folder above it; remove it")
    return place


def _read(place: Path, known: Known, before: Masks, classes: Classes) -> Correction:
    source = f"{CORRECTIONS}/{shown_name(place.name)}"
    try:
        found = _recognised(place)
        labels = READERS[found.kind](found.root, found.files)
        masks = masks_of(labels, Sheets(_names(known), known.sizes, exact=True), classes)
    except SteelDefectsError as error:
        raise SteelDefectsError(f"{source}: {error}") from error
    strays = masks.labels - masks.matched
    if strays > masks.matched:
        near = ": {} may be {}".format(*masks.misnamed.example) if masks.misnamed else ""
        raise SteelDefectsError(
            f"{source}: {strays:,} of {masks.labels:,} labels name no picture that is there{near}. "
            "Copy new pictures of the labelling job, with their folder, into the folder of "
            "pictures, and leave names as they were sent"
        )
    findings = [
        replace(one, where=f"{source}, {one.where}")
        for one in masks.findings
        if not (one.set_aside and one.sheet_id in masks.unlabelled)
    ]
    masks = replace(masks, findings=findings, unlabelled=frozenset())
    masks = _of_the_same_pictures(masks, known, source)
    if found.kind in _WITHOUT_ANSWERS:
        masks = _without_untouched(masks, known, before, source)
    written = max(path.stat().st_mtime for path in found.files)
    return Correction(source, masks, written)


def _recognised(place: Path) -> LabelFiles:
    folder = LabelFolder(place)
    kinds = sorted(kinds_in(folder) & set(FORMATS))
    if len(kinds) > 1:
        raise SteelDefectsError(f"it has labels of {' and '.join(kinds)}; keep one of them")
    found = recognise(folder, kinds[0] if kinds else None)
    if not kinds:
        raise SteelDefectsError(
            f"it has labels of {found.kind}; what comes back is read from {', '.join(FORMATS)}, "
            "whose files name pictures by their whole paths"
        )
    return found


def _names(known: Known) -> dict[str, str]:
    """Return the sheet of each name that an export may mean, also of one that is not there yet."""
    return {one: one for one in known.sizes} | {
        name: one.sheet_id for name, one in known.sent.items()
    }


def _of_the_same_pictures(masks: Masks, known: Known, source: str) -> Masks:
    """Set aside sheets whose picture is another than the one that was sent."""
    replaced = sorted(
        one
        for one in masks.answered
        if (sent := known.sent_of.get(one))
        and known.digests[one] not in {picture.sha256 for picture in sent}
    )
    reason = "the picture is another than the one that was sent to be labelled under this name"
    return _not_answered(masks, replaced, [Finding(source, one, reason) for one in replaced])


def _without_untouched(masks: Masks, known: Known, before: Masks, source: str) -> Masks:
    """Leave out what came back as it was sent, and would change a label or make a sheet clean."""
    labels, answers = masks_by_sheet(before.table), masks_by_sheet(masks.table)
    untouched = []
    for one in sorted(masks.answered):
        answer = answers.get(one, {})
        same = digest_of(answer) in {picture.outlines for picture in known.sent_of.get(one, ())}
        is_open = one in known.new and one not in before.answered
        if same and (not answer if is_open else answer != labels.get(one, {})):
            untouched.append(one)
    reason = "came back as it was sent, so that nobody may have looked at it; it is no answer"
    findings = [Finding(source, one, reason, set_aside=False) for one in untouched]
    return _not_answered(masks, untouched, findings)


def _not_answered(masks: Masks, sheets: Sequence[str], findings: list[Finding]) -> Masks:
    if not sheets:
        return masks
    table = masks.table[~masks.table["sheet_id"].isin(sheets)].reset_index(drop=True)
    left = set(sheets)
    return replace(
        masks,
        table=table,
        findings=masks.findings + findings,
        claims={one: classes for one, classes in masks.claims.items() if one not in left},
        answered={one: time for one, time in masks.answered.items() if one not in left},
    )


# === Merging ===


def _merged(labels: Masks, newer: Masks) -> Masks:
    answered = newer.answered.keys()
    others = labels.table[~labels.table["sheet_id"].isin(set(answered))]
    mine = newer.table[newer.table["sheet_id"].isin(set(answered))]
    claims = {one: classes for one, classes in labels.claims.items() if one not in answered}
    void = {one: rle for one, rle in labels.void.items() if one not in answered}
    table = pd.concat([others, mine], ignore_index=True)
    return replace(
        labels,
        table=table.sort_values(["sheet_id", "class_id"], ignore_index=True),
        findings=[one for one in labels.findings if one.sheet_id not in answered] + newer.findings,
        claims=claims | dict(newer.claims),
        unlabelled=labels.unlabelled - answered,
        void=void | dict(newer.void),
        answered={**labels.answered, **newer.answered},
    )


def without_answer(labels: Masks, new: Set[str]) -> Masks:
    """Leave out new sheets that were sent to be labelled and have no label: they are not clean."""
    open_ones = new - labels.claims.keys() - labels.answered.keys() - labels.unlabelled
    reason = f"{NOT_LABELLED}: it was sent to be labelled, and no finished answer came back"
    findings = [Finding(f"picture {one}", one, reason) for one in sorted(open_ones)]
    return replace(
        labels,
        findings=labels.findings + findings,
        unlabelled=labels.unlabelled | open_ones,
    )


# === What changed ===


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
        label: Short digest of the label now.
    """

    sheet_id: str
    source: str
    labelled_at: float
    was_labelled: bool
    before_px: int
    after_px: int
    overlap: float
    label: str


def relabelled(labels: Masks, corrections: Sequence[Correction], known: Known) -> list[Relabelled]:
    """Compare the labels with what came back, one entry per sheet that was labelled again."""
    last = {sheet_id: one for one in corrections for sheet_id in one.masks.answered}
    before = masks_by_sheet(labels.table)
    after = {one.source: masks_by_sheet(one.masks.table) for one in corrections}
    unlabelled = labels.unlabelled | (known.new - labels.claims.keys() - labels.answered.keys())
    entries = []
    for sheet_id, one in sorted(last.items()):
        old, new = before.get(sheet_id, {}), after[one.source].get(sheet_id, {})
        entries.append(
            Relabelled(
                sheet_id=sheet_id,
                source=one.source,
                labelled_at=one.answered_at(sheet_id),
                was_labelled=sheet_id not in unlabelled,
                before_px=sum(map(run_length.area, old.values())),
                after_px=sum(map(run_length.area, new.values())),
                overlap=min(_overlaps(old, new, known.sizes[sheet_id]), default=1.0),
                label=digest_of(new),
            )
        )
    return entries


def _overlaps(before: Encoded, after: Encoded, size: tuple[int, int]) -> Iterator[float]:
    for class_id in before.keys() | after.keys():
        one, other = (
            run_length.decode(masks.get(class_id, ""), *size) for masks in (before, after)
        )
        yield run_length.overlap(one, other)


def refuse_wiped(entries: Sequence[Relabelled], labels: Masks, share: float) -> None:
    """Refuse exports that make more than a share of the defective sheets clean, and several.

    Raises:
        SteelDefectsError: They do.
    """
    wiped = [one.source for one in entries if one.before_px and not one.after_px]
    defective = labels.table["sheet_id"].nunique()
    if len(wiped) > 1 and len(wiped) > share * defective:
        raise SteelDefectsError(
            f"{len(wiped):,} of {defective:,} defective sheets came back clean, such as in "
            f"{wiped[0]}; look at the export, or raise data_engineering.limits.lost ({share:g})"
        )
