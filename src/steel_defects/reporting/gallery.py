"""Pictures in the report: small enough for its limit, and sorted by outcome and class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from steel_defects.images.jpeg import to_jpeg

#: Largest report, bytes.
REPORT_LIMIT = 15_000_000
_TEXT_ROOM = 1_200_000  # for tables, parameters and style
_BASE64 = 4 / 3

#: Outcomes, as many are called.
_PLURALS = {
    "hit": "hits",
    "weak": "weak hits",
    "miss": "misses",
    "false alarm": "false alarms",
    "clean": "clean sheets",
}

#: Widest picture, px, and JPEG quality, tried in turn.
_STEPS = ((1600, 85), (1600, 70), (1280, 70), (960, 70), (720, 60))


@dataclass(frozen=True)
class Picture:
    """A sheet in the gallery.

    Attributes:
        name: Of the picture.
        outcome: One of :data:`steel_defects.reporting.selection.OUTCOMES`.
        classes: Numbers of the classes that the sheet has or was given.
        caption: A line about it.
        jpeg: The picture.
    """

    name: str
    outcome: str
    classes: tuple[int, ...]
    caption: str
    jpeg: bytes

    @property
    def marks(self) -> str:
        """Classes of the style sheet that the filters look for."""
        return " ".join([slug(self.outcome), *(f"has-{number}" for number in self.classes)])


def slug(outcome: str) -> str:
    """Return an outcome as a name in a style sheet."""
    return f"is-{outcome.replace(' ', '-')}"


def as_jpeg(picture: bytes, width: int = 1400, quality: int = 80) -> bytes:
    """Turn a photographic picture of any format into a JPEG at most so wide.

    Bytes that are no picture are returned as they are.
    """
    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR) if picture else None
    if image is None:
        return picture
    if image.shape[1] > width:
        height = max(1, round(image.shape[0] * width / image.shape[1]))
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return to_jpeg(np.asarray(image, np.uint8), quality)


def room_left(others: Sequence[bytes]) -> int:
    """Return how many bytes of gallery fit into the report beside other pictures."""
    used = sum(_BASE64 * len(picture) for picture in others)
    return max(0, int((REPORT_LIMIT - _TEXT_ROOM - used) / _BASE64))


def fit_into(pictures: Sequence[Picture], room: int) -> list[Picture]:
    """Shrink pictures until they fit, and leave some out where the smallest do not.

    Args:
        pictures: In the order in which they are shown.
        room: Bytes for all of them.

    Returns:
        The pictures; those that are left out are of the outcomes with the most.
    """
    kept = list(pictures)
    for width, quality in _STEPS:
        if sum(len(picture.jpeg) for picture in kept) <= room:
            return kept
        kept = [replace(p, jpeg=as_jpeg(p.jpeg, width, quality)) for p in pictures]
    while kept and sum(len(picture.jpeg) for picture in kept) > room:
        counts = outcome_counts(kept)
        fullest = max(counts, key=lambda outcome: counts[outcome])
        kept.remove([p for p in kept if p.outcome == fullest][-1])
    return kept


def outcome_counts(pictures: Sequence[Picture]) -> dict[str, int]:
    """Count the pictures of each outcome, in the order in which outcomes come."""
    counts: dict[str, int] = {}
    for picture in pictures:
        counts[picture.outcome] = counts.get(picture.outcome, 0) + 1
    return counts


@dataclass(frozen=True)
class Filter:
    """A choice of the gallery: its id in the page, what it says, and the pictures that it keeps."""

    key: str
    label: str
    mark: str


def filters(
    pictures: Sequence[Picture], class_names: Sequence[str]
) -> tuple[list[Filter], list[Filter]]:
    """Return the choices by outcome and by class that keep at least one picture."""
    outcomes = [
        Filter(f"outcome-{n}", f"{outcome} ({count:,})", slug(outcome))
        for n, (outcome, count) in enumerate(outcome_counts(pictures).items())
    ]
    numbers = sorted({number for picture in pictures for number in picture.classes})
    named = dict(enumerate(class_names, start=1))
    classes = [
        Filter(
            f"class-{number}",
            f"{number} {named.get(number, '')} "
            f"({sum(number in p.classes for p in pictures):,})".replace("  ", " "),
            f"has-{number}",
        )
        for number in numbers
    ]
    return outcomes, classes


def empty_pairs(
    pictures: Sequence[Picture], outcomes: Sequence[Filter], classes: Sequence[Filter]
) -> list[tuple[str, str]]:
    """Return the ids of the two choices that together keep no picture."""
    marks = [set(picture.marks.split()) for picture in pictures]
    return [
        (outcome.key, kind.key)
        for outcome in outcomes
        for kind in classes
        if not any({outcome.mark, kind.mark} <= found for found in marks)
    ]


def shown_sentence(pictures: Sequence[Picture], totals: Mapping[str, int]) -> str:
    """Say how many sheets are shown, of how many, by outcome.

    Args:
        pictures: Those shown.
        totals: Test sheets of each outcome; empty where they were not counted.
    """
    if not totals:
        return f"{len(pictures):,} test sheets are shown."
    shown = outcome_counts(pictures)
    parts = [
        f"{shown.get(name, 0):,} of {count:,} {_PLURALS.get(name, name)}"
        for name, count in totals.items()
    ]
    return f"{len(pictures):,} of {sum(totals.values()):,} test sheets are shown: " + (
        ", ".join(parts) + "."
    )
