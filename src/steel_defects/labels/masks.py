"""What a source of labels says of the sheets: sound masks, and what is wrong with the others."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

#: In :attr:`Masks.claims`: a class that the source gives, and that can't be read.
UNKNOWN_CLASS = 0
#: In the place of a class: pixels of which nobody can tell what they show.
VOID = 0
#: What such pixels are in the masks that networks learn from.
UNKNOWN = 2
#: Intersection over union below which two masks of one picture contradict each other. Answers of
#: two people differ at the edges; copies may be moved by a few pixels, which costs narrow masks a
#: good part of their overlap.
AGREEING_IOU = 0.5
#: How the reason begins for which a sheet is left out that nobody finished labelling.
NOT_LABELLED = "not labelled"


@dataclass(frozen=True)
class Finding:
    """Something in a file, row or sheet that data engineering set aside or wants known, and why."""

    where: str
    sheet_id: str
    reason: str
    set_aside: bool = True


@dataclass(frozen=True)
class Misnamed:
    """Labels that name no picture, and would name one after a change of names.

    Attributes:
        rows: How many do; ``of`` is how many labels there are.
        change: What would have to change, such as ``the ending``.
        example: One of the names, and the picture that it may mean.
    """

    rows: int
    of: int
    change: str
    example: tuple[str, str]


@dataclass(frozen=True)
class Masks:
    """The labels of sheets.

    Attributes:
        table: ``sheet_id, class_id, rle, area_px``, one row per sheet and class: sound masks.
        findings: What was refused, changed or left out.
        claims: Classes that the source gives each sheet, in sound labels and in others. A sheet
            without any is clean.
        labels: Number of labels in the source.
        matched: Number of labels that name a picture that is there, readable or not.
        misnamed: Labels that would name a picture after a change of names; None if there are none.
        from_zero: Labels of class 0, where no label has the highest class: the classes may be
            counted from 0.
        cut: Labels whose mask is as long as the longest cell of a spreadsheet.
        unlabelled: Sheets that nobody finished, which are neither clean nor defective.
        sized: Whether each label says for which size of the picture it was drawn.
        void: Encoded pixels of which nobody can tell whether they show a defect, by sheet.
        answered: Sheets with a finished answer that can be trusted, and when it was given, seconds
            since 1970; None if the file does not say. Empty for formats that know no answers.
    """

    table: pd.DataFrame
    findings: list[Finding]
    claims: Mapping[str, frozenset[int]] = field(default_factory=dict)
    labels: int = 0
    matched: int = 0
    misnamed: Misnamed | None = None
    from_zero: int = 0
    cut: int = 0
    unlabelled: frozenset[str] = frozenset()
    sized: bool = False
    void: Mapping[str, str] = field(default_factory=dict)
    answered: Mapping[str, float | None] = field(default_factory=dict)


def masks_by_sheet(annotations: pd.DataFrame) -> dict[str, dict[int, str]]:
    """Sort encoded masks by sheet and class."""
    masks: dict[str, dict[int, str]] = {}
    columns = annotations[["sheet_id", "class_id", "rle"]]
    for sheet_id, class_id, rle in columns.itertuples(index=False, name=None):
        masks.setdefault(sheet_id, {})[int(class_id)] = rle
    return masks


def void_of(sheets: pd.DataFrame) -> dict[str, str]:
    """Return the encoded void pixels of the sheets that have some."""
    if "void" not in sheets:
        return {}
    some = sheets[sheets["void"] != ""]
    return dict(zip(some["sheet_id"], some["void"], strict=True))


def sizes_by_sheet(sheets: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Return height and width, pixels, of each sheet."""
    sizes = zip(map(int, sheets["height"]), map(int, sheets["width"]), strict=True)
    return dict(zip(sheets["sheet_id"], sizes, strict=True))
