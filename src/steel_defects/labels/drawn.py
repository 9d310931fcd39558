"""From shapes that tools saved to the masks of sheets."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from steel_defects.errors import SteelDefectsError, shown
from steel_defects.labels import rle as run_length
from steel_defects.labels.masks import (
    AGREEING_IOU,
    NOT_LABELLED,
    UNKNOWN_CLASS,
    Finding,
    Masks,
    Misnamed,
)
from steel_defects.labels.meant_pictures import Pictures, SentPictures
from steel_defects.labels.names import may_mean, misnamed_of, near_names
from steel_defects.labels.shapes import Mask, NoArea, PictureLabels, Shape, Size
from steel_defects.tables.declared import ANNOTATIONS


@dataclass(frozen=True)
class Classes:
    """Which class a file's names mean.

    Attributes:
        names: Of classes 1, 2, …
        mapped: Class of names that are none of these; None for one that is left out.
    """

    names: Sequence[str]
    mapped: Mapping[str, str | None] = field(default_factory=dict)

    def numbers(self, read: Sequence[PictureLabels]) -> dict[str | int, int | None]:
        """Return the number of all classes and tags that labels have; see :meth:`number`."""
        shapes = {s.class_name: self.number(s.class_name) for one in read for s in one.shapes}
        return shapes | {tag: self.tagged(tag) for one in read for tag in one.tags}

    def tagged(self, tag: str) -> int | None:
        """Return the number of the class that a tag of a whole picture means; None for none."""
        meant = self.mapped.get(tag, tag)
        return list(self.names).index(meant) + 1 if meant and meant in self.names else None

    def number(self, name: str | int) -> int | None:
        """Return the number of a class; None for one that is left out.

        Raises:
            SteelDefectsError: The name means no class.
        """
        meant = self.mapped.get(str(name), name)
        if meant is None:
            return None
        if meant in self.names:
            return list(self.names).index(str(meant)) + 1
        # Not the text of a number: tools count from 0 or 1, and in the order of the alphabet.
        if isinstance(meant, int) and 1 <= meant <= len(self.names):
            return meant
        raise SteelDefectsError(
            f"the labels have the class {shown(str(name))}, which is none of "
            f"{', '.join(self.names)}; say which it is in data_engineering.label_map, or null to "
            "leave it out"
        )


@dataclass(frozen=True)
class Sheets:
    """The pictures that there are.

    Attributes:
        paths: Path below the data folder, POSIX, of each, by its sheet id.
        sizes: Height and width, pixels, of those that can be read.
        exact: Files name the pictures as they were sent, so that nothing but these names counts.
    """

    paths: Mapping[str, str]
    sizes: Mapping[str, Size]
    exact: bool = False


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
    numbers = classes.numbers(read)
    findings = [Finding("labels", "", one, False) for one in sources if isinstance(one, str)]
    answers, unclear, strays = _by_sheet(read, sheets)
    claims = {finding.sheet_id: {UNKNOWN_CLASS} for finding in unclear}
    drawn = [_Sheet(one, sheets.sizes.get(one), numbers, given) for one, given in answers.items()]
    claims |= {one.sheet_id: one.claimed for one in drawn if one.claimed}
    findings += [finding for one in drawn for finding in one.findings]
    stray_findings, misnamed = _strays(strays, sheets, len(read))
    findings += unclear + stray_findings
    aside = {finding.sheet_id for finding in findings if finding.set_aside}
    unlabelled = _unlabelled(answers, sheets, aside, unlabelled_is_clean)
    findings += [Finding(f"picture {s}", s, reason) for s, reason in unlabelled.items()]
    return Masks(
        table=ANNOTATIONS.typed(row for one in drawn for row in one.rows).sort_values(
            ["sheet_id", "class_id"], ignore_index=True
        ),
        findings=findings,
        claims={sheet_id: frozenset(claimed) for sheet_id, claimed in claims.items()},
        labels=len(read),
        matched=len(read) - len(strays),
        misnamed=misnamed,
        unlabelled=frozenset(unlabelled),
        sized=all(one.size for one in read if one.shapes),
        void={one.sheet_id: one.void for one in drawn if one.void},
        answered=_answered(answers, aside),
    )


Answers = dict[str, list[PictureLabels]]
#: Number of each class by what a file calls it; None for one that is left out.
Numbers = Mapping[str | int, int | None]


def _by_sheet(
    read: Sequence[PictureLabels], sheets: Sheets
) -> tuple[Answers, list[Finding], list[PictureLabels]]:
    """Sort labels by the sheet that they mean; some mean several, some none."""
    pictures = SentPictures(sheets.paths) if sheets.exact else Pictures(sheets.paths)
    answers: Answers = {}
    findings, strays = [], []
    for labels in read:
        meant = pictures.meant_by(labels)
        if meant.sure and meant.sheet_ids[0] not in sheets.sizes and sheets.exact:
            strays.append(labels)
        elif meant.sure:
            answers.setdefault(meant.sheet_ids[0], []).append(labels)
        elif meant.sheet_ids:
            more = len(meant.sheet_ids) - 1
            others = f", and {more} more" if more else ", which lies elsewhere"
            reason = f"{shown(labels.names[0])} may mean this picture{others}"
            findings += [Finding(labels.where, sheet_id, reason) for sheet_id in meant.sheet_ids]
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
        findings += may_mean(one.where, shown(one.names[0]), change, meant)
    missing = [one for one in strays if one.names[0] not in near]
    if missing:
        count = "1 label names" if len(missing) == 1 else f"{len(missing):,} labels name"
        reason = f"{count} no picture that is there"
        findings.append(Finding(missing[0].where, shown(missing[0].names[0]), reason, False))
    return findings, misnamed_of([name for name in names if name in near], near, of)


def _answered(answers: Answers, aside: Collection[str]) -> dict[str, float | None]:
    """Return when each sheet was labelled that has a finished answer."""
    times = {
        sheet_id: [one.changed for one in given if not one.unfinished]
        for sheet_id, given in answers.items()
        if sheet_id not in aside
    }
    return {
        sheet_id: max((moment for moment in known if moment is not None), default=None)
        for sheet_id, known in times.items()
        if known
    }


def _unlabelled(
    answers: Answers, sheets: Sheets, aside: Collection[str], is_clean: bool
) -> dict[str, str]:
    """Return why sheets have no finished answer; never are they clean where something is drawn."""
    reasons = {}
    for sheet_id in sorted(sheets.sizes):
        given = answers.get(sheet_id, [])
        if is_clean and not any(one.shapes for one in given):
            continue
        if sheet_id not in aside and all(one.unfinished for one in given):
            why = given[0].unfinished if given else "no label file lists it"
            reasons[sheet_id] = f"{NOT_LABELLED}: {why}"
    return reasons


class _Sheet:
    """A sheet whose shapes are drawn, and what is to be said of them.

    Attributes:
        findings: What is to be said.
        void: Its encoded void pixels; mostly empty.
        claimed: Classes that finished answers give it, also those that can't be trusted.
        rows: ``sheet_id, class_id, rle, area_px`` of each class that the newest answer gives it;
            none of a picture that can't be read.
    """

    def __init__(
        self, sheet_id: str, size: Size | None, numbers: Numbers, given: Sequence[PictureLabels]
    ) -> None:
        self.sheet_id, self._size, self._numbers = sheet_id, size, numbers
        self.findings: list[Finding] = []
        self.void = ""
        finished = [one for one in given if not one.unfinished]
        named = [numbers[shape.class_name] for one in finished for shape in one.shapes]
        unknown = {UNKNOWN_CLASS for one in finished if one.fault}
        self.claimed = unknown | {number for number in named if number is not None}
        faults = [one for one in given if one.fault]
        for one in faults:
            self._tell(one, one.fault)
        self.rows = [] if faults or not finished or not size else self._rows(finished, size)

    def _rows(
        self, finished: Sequence[PictureLabels], size: Size
    ) -> list[tuple[str, int, str, int]]:
        answer = self._newest(finished)
        masks = self._masks(answer, size) if answer else {}
        if masks and answer and answer.void:
            self.void = run_length.encode(answer.void.mask(size))
        if len(finished) > 1 and answer:
            self._compare(finished, size)
        encoded = [(k, run_length.encode(mask)) for k, mask in sorted(masks.items())]
        return [(self.sheet_id, k, rle, run_length.area(rle)) for k, rle in encoded]

    def _newest(self, finished: Sequence[PictureLabels]) -> PictureLabels | None:
        """Return the answer that counts; None where that can't be told."""
        if len(finished) == 1:
            return finished[0]
        places = " and ".join(dict.fromkeys(one.where for one in finished))
        if len({one.names for one in finished}) > 1:
            self._tell(finished[0], f"two labels for one picture, by different names ({places})")
            return None
        times = sorted((one.changed for one in finished if one.changed is not None), reverse=True)
        if len(times) < len(finished) or times[0] == times[1]:
            self._tell(finished[0], f"two labels for one picture ({places}): which is newer?")
            return None
        return next(one for one in finished if one.changed == times[0])

    def _tell(self, labels: PictureLabels | Shape, reason: str, set_aside: bool = True) -> None:
        self.findings.append(Finding(labels.where, self.sheet_id, reason, set_aside))

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
        for tag in answer.tags:
            number = self._numbers.get(tag)
            if number is not None and number not in masks:
                self._tell(answer, f"is said to show {shown(tag)}, which nobody outlined")
        dropped = [f for f in self.findings if f.set_aside]
        if answer.shapes and not masks and not dropped and self.findings:
            self._tell(answer, "none of its shapes can be used; it is not clean")
        return masks

    def _draw(self, shape: Shape, size: Size) -> Mask | None:
        name = shown(str(shape.class_name))
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
        if remark := shape.area.remark(size):
            self._tell(shape, f"{name}: {remark}", set_aside=False)
        return mask

    def _compare(self, finished: Sequence[PictureLabels], size: Size) -> None:
        """Tell of people who answered differently; the newest answer counts."""
        silent = _Sheet(self.sheet_id, size, self._numbers, ())
        drawn = [silent._masks(one, size) for one in finished]
        for one, other in combinations(drawn, 2):
            if one.keys() != other.keys() or any(
                run_length.overlap(one[k], other[k]) < AGREEING_IOU for k in one
            ):
                reason = f"{len(finished)} people labelled it, and differ; the newest answer counts"
                self._tell(finished[0], reason, set_aside=False)
                return
