"""From shapes that tools saved to the masks of sheets."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from steel_defects.errors import SteelDefectsError, shown
from steel_defects.labels import rle as run_length
from steel_defects.labels.masks import UNKNOWN_CLASS, Finding, Masks, Misnamed
from steel_defects.labels.meant_pictures import Pictures
from steel_defects.labels.names import misnamed_of, near_names
from steel_defects.labels.shapes import Mask, NoArea, PictureLabels, Shape, Size
from steel_defects.tables.declared import ANNOTATIONS

_AGREEING_IOU = 0.5  # of two people's answers, as they differ at the edges of a defect


@dataclass(frozen=True)
class Classes:
    """Which class a file's names mean.

    Attributes:
        names: Of classes 1, 2, …
        mapped: Class of names that are none of these; None for one that is left out.
    """

    names: Sequence[str]
    mapped: Mapping[str, str | None] = field(default_factory=dict)

    def number(self, name: str) -> int | None:
        """Return the number of a class; None for one that is left out.

        Raises:
            SteelDefectsError: The name means no class.
        """
        meant = self.mapped.get(name, name)
        if meant is None:
            return None
        if meant in self.names:
            return list(self.names).index(meant) + 1
        if meant.isdecimal() and 1 <= int(meant) <= len(self.names):
            return int(meant)
        raise SteelDefectsError(
            f"the labels have the class {shown(name)}, which is none of "
            f"{', '.join(self.names)}; say which it is in data_engineering.label_map, or null to "
            "leave it out"
        )


@dataclass(frozen=True)
class Sheets:
    """The pictures that there are.

    Attributes:
        paths: Path below the data folder, POSIX, of each, by its sheet id.
        sizes: Height and width, pixels, of those that can be read.
    """

    paths: Mapping[str, str]
    sizes: Mapping[str, Size]


def masks_of(
    labels: Iterable[PictureLabels | str],
    sheets: Sheets,
    classes: Classes,
    unlabelled_is_clean: bool = False,
) -> Masks:
    """Draw the masks of sheets; find fault with labels that can't be trusted.

    Args:
        labels: What a reader of :mod:`steel_defects.labels.formats` yields.
        sheets: The pictures.
        classes: What the names of classes mean.
        unlabelled_is_clean: Whether a picture without a finished answer is clean; else it is set
            aside.

    Returns:
        The masks, and a finding for each picture whose labels contradict it or each other, or lost
        a shape, and for each that is not labelled.

    Raises:
        SteelDefectsError: A shape is of a class that is none of ours.
    """
    sources = list(labels)
    read = [one for one in sources if isinstance(one, PictureLabels)]
    numbers = {s.class_name: classes.number(s.class_name) for one in read for s in one.shapes}
    findings = [Finding("labels", "", one, False) for one in sources if isinstance(one, str)]
    answers, unclear, strays = _by_sheet(read, sheets)
    rows, claims = [], {finding.sheet_id: {UNKNOWN_CLASS} for finding in unclear}
    for sheet_id, given in answers.items():
        sheet = _Sheet(sheet_id, sheets.sizes.get(sheet_id), numbers)
        finished = [one for one in given if not one.unfinished]
        if claimed := sheet.classes(finished):
            claims[sheet_id] = claimed
        rows += sheet.rows(finished)
        findings += sheet.findings
    stray_findings, misnamed = _strays(strays, sheets, len(read))
    findings += unclear + stray_findings
    aside = {finding.sheet_id for finding in findings if finding.set_aside}
    unlabelled = {} if unlabelled_is_clean else _unlabelled(answers, sheets, aside)
    findings += [Finding(f"picture {s}", s, reason) for s, reason in unlabelled.items()]
    return Masks(
        table=ANNOTATIONS.typed(rows).sort_values(["sheet_id", "class_id"], ignore_index=True),
        findings=findings,
        claims={sheet_id: frozenset(claimed) for sheet_id, claimed in claims.items()},
        labels=len(read),
        matched=len(read) - len(strays),
        misnamed=misnamed,
        unlabelled=frozenset(unlabelled),
        sized=all(one.size for one in read if one.shapes),
    )


Answers = dict[str, list[PictureLabels]]
#: Number of each class by what a file calls it; None for one that is left out.
Numbers = Mapping[str, int | None]


def _by_sheet(
    read: Sequence[PictureLabels], sheets: Sheets
) -> tuple[Answers, list[Finding], list[PictureLabels]]:
    """Sort labels by the sheet that they mean; some mean several, some none."""
    pictures = Pictures(sheets.paths)
    answers: Answers = {}
    findings, strays = [], []
    for labels in read:
        meant = pictures.meant_by(labels)
        if len(meant) == 1:
            answers.setdefault(meant[0], []).append(labels)
        elif meant:
            reason = f"{shown(labels.names[0])} may mean this picture and {len(meant) - 1} more"
            findings += [Finding(labels.where, sheet_id, reason) for sheet_id in meant]
        else:
            strays.append(labels)
    return answers, findings, strays


def _strays(
    strays: Sequence[PictureLabels], sheets: Sheets, of: int
) -> tuple[list[Finding], Misnamed | None]:
    """Tell labels that name no picture, and which pictures they may mean."""
    names = [one.names[0] for one in strays]
    near = near_names(names, sheets.paths)
    findings = []
    for one in (one for one in strays if one.names[0] in near):
        change, meant = near[one.names[0]]
        name = shown(one.names[0])
        reason = f"{name} may mean this picture: {change} would have to change"
        findings += [Finding(one.where, sheet_id, reason) for sheet_id in meant]
    missing = [one for one in strays if one.names[0] not in near]
    if missing:
        count = "1 label names" if len(missing) == 1 else f"{len(missing):,} labels name"
        reason = f"{count} no picture that is there"
        findings.append(Finding(missing[0].where, shown(missing[0].names[0]), reason, False))
    return findings, misnamed_of([name for name in names if name in near], near, of)


def _unlabelled(answers: Answers, sheets: Sheets, aside: Collection[str]) -> dict[str, str]:
    """Return why sheets have no finished answer."""
    reasons = {}
    for sheet_id in sorted(sheets.sizes):
        given = answers.get(sheet_id, [])
        if sheet_id not in aside and all(one.unfinished for one in given):
            why = given[0].unfinished if given else "no label file lists it"
            reasons[sheet_id] = f"not labelled: {why}"
    return reasons


class _Sheet:
    """A sheet whose shapes are drawn, and what is to be said of them."""

    def __init__(self, sheet_id: str, size: Size | None, numbers: Numbers) -> None:
        self.findings: list[Finding] = []
        self._sheet_id, self._size, self._numbers = sheet_id, size, numbers

    def classes(self, finished: Sequence[PictureLabels]) -> set[int]:
        """Return the classes that answers give it."""
        named = [self._numbers[shape.class_name] for one in finished for shape in one.shapes]
        return {number for number in named if number is not None}

    def rows(self, finished: Sequence[PictureLabels]) -> list[tuple[str, int, str, int]]:
        """Draw the newest answer; nothing without one, or of a picture that can't be read."""
        if not finished or not self._size:
            return []
        answer = max(finished, key=lambda one: one.changed)
        if len(finished) > 1 and not answer.changed:
            places = " and ".join(dict.fromkeys(one.where for one in finished))
            self._tell(answer, f"two labels for one picture ({places}), none of which is newer")
            return []
        masks = self._masks(answer, self._size)
        if len(finished) > 1:
            self._compare(finished, self._size)
        encoded = [(k, run_length.encode(mask)) for k, mask in sorted(masks.items())]
        return [(self._sheet_id, k, rle, run_length.area(rle)) for k, rle in encoded]

    def _tell(self, labels: PictureLabels | Shape, reason: str, set_aside: bool = True) -> None:
        self.findings.append(Finding(labels.where, self._sheet_id, reason, set_aside))

    def _masks(self, answer: PictureLabels, size: Size) -> dict[int, Mask]:
        if answer.size and answer.size != size:
            sizes = (*answer.size[::-1], *size[::-1])
            self._tell(answer, "labels for {}×{} of a picture of {}×{}".format(*sizes))
            return {}
        masks: dict[int, Mask] = {}
        for shape in answer.shapes:
            number = self._numbers[shape.class_name]
            mask = None if number is None else self._draw(shape, size)
            if number is not None and mask is not None:
                masks[number] = masks[number] | mask if number in masks else mask
        dropped = [f for f in self.findings if f.set_aside]
        if answer.shapes and not masks and not dropped and self.findings:
            self._tell(answer, "none of its shapes can be used; it is not clean")
        return masks

    def _draw(self, shape: Shape, size: Size) -> Mask | None:
        name = shown(shape.class_name)
        if shape.area is None:
            # A defect is here whose outline nobody drew.
            self._tell(
                shape, f"{name}: {shape.kind or 'no outline'}; only outlines and masks count"
            )
            return None
        try:
            mask = shape.area.mask(size)
        except SteelDefectsError as error:
            lost = not isinstance(error, NoArea)
            self._tell(shape, f"{name}: {error}; it is left out", set_aside=lost)
            return None
        if shape.area.leaves(size):
            self._tell(shape, f"{name}: reaches out of the picture and is cut", set_aside=False)
        return mask

    def _compare(self, finished: Sequence[PictureLabels], size: Size) -> None:
        """Tell of people who answered differently; the newest answer counts."""
        silent = _Sheet(self._sheet_id, size, self._numbers)
        drawn = [silent._masks(one, size) for one in finished]
        for one, other in combinations(drawn, 2):
            if one.keys() != other.keys() or any(_differ(one[k], other[k]) for k in one):
                reason = f"{len(finished)} people labelled it, and differ; the newest answer counts"
                self._tell(finished[0], reason, set_aside=False)
                return


def _differ(one: Mask, other: Mask) -> bool:
    areas = int(np.sum(one & other)), int(one.sum()), int(other.sum())
    return run_length.iou(*areas) < _AGREEING_IOU
