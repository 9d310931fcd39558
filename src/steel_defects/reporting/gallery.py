"""Test sheets in the report: some of every outcome, small enough for its limit."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pandas as pd

from steel_defects.images.reading import to_jpeg

#: What can become of a sheet, in the order in which people want to see it, and of many.
_PLURALS = {
    "hit": "hits",
    "weak": "weak hits",
    "miss": "misses",
    "false alarm": "false alarms",
    "clean": "clean sheets",
}
OUTCOMES = tuple(_PLURALS)
_HIT_DICE = 0.5  # mean over the sheet's true classes

#: Largest report, bytes.
REPORT_LIMIT = 15_000_000
_TEXT_ROOM = 1_200_000  # for tables, parameters and style
_BASE64 = 4 / 3
#: Widest picture, px, and JPEG quality, tried in turn.
_STEPS = ((1600, 85), (1600, 70), (1280, 70), (960, 70), (720, 60))


def sheet_outcomes(pairs: pd.DataFrame) -> pd.DataFrame:
    """Say what became of every sheet.

    Args:
        pairs: ``sheet_id, class_id, dice, true_px, predicted_px``, one row per sheet and class.

    Returns:
        By ``sheet_id``, its ``dice`` (mean over the classes that it truly has; over all if it has
        none) and ``outcome``: ``hit`` (Dice from 0.5), ``weak`` (some overlap), ``miss`` (none),
        ``false alarm`` (clean, with a prediction) or ``clean``.
    """
    sheets = pairs.groupby("sheet_id").agg(
        dice=("dice", "mean"), true_px=("true_px", "sum"), predicted_px=("predicted_px", "sum")
    )
    of_true_classes = pairs[pairs["true_px"] > 0].groupby("sheet_id")["dice"].mean()
    sheets["dice"] = of_true_classes.combine_first(sheets["dice"])
    defective = sheets["true_px"] > 0
    conditions = [
        defective & (sheets["dice"] >= _HIT_DICE),
        defective & (sheets["dice"] > 0),
        defective,
        sheets["predicted_px"] > 0,
    ]
    sheets["outcome"] = np.select(conditions, OUTCOMES[:4], OUTCOMES[4])
    return sheets[["dice", "outcome"]].sort_index()


def choose_sheets(pairs: pd.DataFrame, count: int, seed: int) -> list[tuple[str, str]]:
    """Choose at most ``count`` sheets to draw, as evenly over the outcomes as there are of each.

    The seed decides which of an outcome's sheets are taken, the order of the pairs does not.
    Returns sheets and their outcomes, grouped by outcome.
    """
    if pairs.empty:
        return []
    rng = np.random.default_rng(seed)
    outcomes = sheet_outcomes(pairs)["outcome"]
    turns = [
        (turn, number, str(sheet_id))
        for number, outcome in enumerate(OUTCOMES)
        for turn, sheet_id in enumerate(rng.permutation(outcomes.index[outcomes == outcome]))
    ]
    chosen = sorted((number, sheet_id) for _, number, sheet_id in sorted(turns)[:count])
    return [(sheet_id, OUTCOMES[number]) for number, sheet_id in chosen]


@dataclass(frozen=True)
class Picture:
    """A sheet in the gallery: its outcome, the classes that it has or was given, and a JPEG."""

    outcome: str
    classes: tuple[int, ...]
    caption: str
    jpeg: bytes

    @property
    def marks(self) -> set[str]:
        """Classes of the style sheet that the filters look for."""
        return {_slug(self.outcome), *(f"has-{number}" for number in self.classes)}


@dataclass(frozen=True)
class Filter:
    """A choice in the gallery: its id, what it says, and the mark of the pictures it leaves."""

    key: str
    label: str
    mark: str


@dataclass(frozen=True)
class Gallery:
    """The pictures that fit, the choices by outcome and by class, and what is shown of what."""

    pictures: list[Picture]
    outcomes: list[Filter]
    classes: list[Filter]
    sentence: str

    @property
    def empty_pairs(self) -> list[tuple[str, str]]:
        """Ids of two choices that no picture meets."""
        return [
            (outcome.key, kind.key)
            for outcome in self.outcomes
            for kind in self.classes
            if not any({outcome.mark, kind.mark} <= picture.marks for picture in self.pictures)
        ]


def make_gallery(
    pictures: Sequence[Picture],
    others: Iterable[bytes],
    totals: Mapping[str, int],
    class_names: Sequence[str],
) -> Gallery:
    """Choose what is shown, in the order of the pictures.

    All ``others`` of the report leave the rest of its limit; ``totals`` are test sheets by outcome.
    """
    shown = fit_into(pictures, room_left(others))
    counts = Counter(picture.outcome for picture in shown)
    outcomes = [
        Filter(f"outcome-{n}", f"{outcome} ({count:,})", _slug(outcome))
        for n, (outcome, count) in enumerate(counts.items())
    ]
    names = dict(enumerate(class_names, start=1))
    by_class = Counter(number for picture in shown for number in picture.classes)
    classes = [
        Filter(f"class-{n}", f"{names.get(n, f'class {n}')} ({count:,})", f"has-{n}")
        for n, count in sorted(by_class.items())
    ]
    return Gallery(shown, outcomes, classes, _sentence(counts, totals))


def _slug(outcome: str) -> str:
    return f"is-{outcome.replace(' ', '-')}"


def _sentence(shown: Counter[str], totals: Mapping[str, int]) -> str:
    """Say how many sheets are shown, of how many, by outcome."""
    parts = [f"{shown[name]:,} of {count:,} {_PLURALS[name]}" for name, count in totals.items()]
    return (
        f"{shown.total():,} of {sum(totals.values()):,} test sheets are shown: {', '.join(parts)}."
    )


def room_left(others: Iterable[bytes]) -> int:
    """Return how many bytes of gallery fit into the report with its other pictures."""
    used = sum(_BASE64 * len(picture) for picture in others)
    return max(0, int((REPORT_LIMIT - _TEXT_ROOM - used) / _BASE64))


def fit_into(pictures: Sequence[Picture], room: int) -> list[Picture]:
    """Shrink pictures until they fit into so many bytes, and leave some out if they never do.

    The order stays; those that are left out are of the outcomes with the most.
    """
    shown = list(pictures)
    for width, quality in _STEPS:
        if _size(shown) <= room:
            return shown
        shown = [replace(p, jpeg=as_jpeg(p.jpeg, width, quality)) for p in pictures]
    while shown and _size(shown) > room:
        [(fullest, _)] = Counter(picture.outcome for picture in shown).most_common(1)
        shown.remove([picture for picture in shown if picture.outcome == fullest][-1])
    return shown


def _size(pictures: Sequence[Picture]) -> int:
    return sum(len(picture.jpeg) for picture in pictures)


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
