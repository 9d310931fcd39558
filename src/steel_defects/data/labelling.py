"""Which sheets are worth the time of people who label."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from itertools import chain, count, zip_longest
from posixpath import normpath, splitext
from typing import Literal

import pandas as pd
from pydantic import PositiveInt

from steel_defects.config import Config
from steel_defects.tables.declared import LABELLING_SHEETS

LABELLED, NEW = "labelled", "new"

_LONGEST = 60  # characters of a name that is made anew


class LabellingConfig(Config):
    """What is sent to people who label.

    Attributes:
        sheets: Of a job, at most.
        unreviewed: How inspected sheets are taken that nobody has to review: at ``random``, or the
            ``informative`` ones, which are near a threshold and unlike what is labelled.
        test: Whether test sheets may be among them: a model that is tuned to pass on labels that
            were corrected where it failed looks better than it is.
    """

    sheets: PositiveInt = 100
    unreviewed: Literal["random", "informative"] = "random"
    test: bool = False


@dataclass(frozen=True)
class Candidate:
    """A sheet and a reason to look at it.

    Attributes:
        sheet_id: The sheet.
        why: The reason, in words.
    """

    sheet_id: str
    why: str


@dataclass(frozen=True)
class Candidates:
    """Sheets with a reason to look at them, the best of each kind first.

    Attributes:
        labelled: Lists of labelled sheets, such as doubtful labels and odd sheets.
        new: Lists of inspected sheets, such as reviews and those drawn at random.
    """

    labelled: Sequence[Sequence[Candidate]] = ()
    new: Sequence[Sequence[Candidate]] = ()


def choose(candidates: Candidates, most: int) -> dict[tuple[str, str], str]:
    """Choose sheets from all lists by turns; a list that has ended leaves its turns to the others.

    Returns:
        All reasons of each chosen sheet, by its origin (``labelled`` or ``new``) and id, in the
        order in which they were chosen.
    """
    lists = [[(LABELLED, one) for one in part] for part in candidates.labelled]
    lists += [[(NEW, one) for one in part] for part in candidates.new]
    reasons: dict[tuple[str, str], list[str]] = {}
    for origin, one in filter(None, chain.from_iterable(zip_longest(*lists))):
        reasons.setdefault((origin, one.sheet_id), []).append(one.why)
    chosen = list(reasons.items())[:most]
    return {key: "; ".join(dict.fromkeys(why)) for key, why in chosen}


def doubtful_labels(label_issues: pd.DataFrame) -> list[Candidate]:
    """Return the sheets of ``label_issues`` in its order, each once, with all that is doubted."""
    names = ("sheet_id", "kind", "class_name", "predicted_class_name")
    doubts: dict[str, list[str]] = {}
    for sheet_id, kind, name, seen in zip(*(label_issues[one] for one in names), strict=True):
        doubts.setdefault(sheet_id, []).append(_DOUBTS[kind].format(name=name, seen=seen))
    return [
        Candidate(sheet_id, f"label in doubt: {', '.join(texts)}")
        for sheet_id, texts in doubts.items()
    ]


_DOUBTS = {
    "missing_mask": "{name} may be there and is not labelled",
    "extra_mask": "{name} is labelled and not seen",
    "other_class": "{name} looks like {seen}",
    "other_place": "{name} is seen elsewhere",
}


def unreviewed_sheets(verdicts: pd.DataFrame, most: int, seed: int) -> list[Candidate]:
    """Draw inspected sheets at random that were not sent to review."""
    others = verdicts.loc[verdicts["verdict"] != "review", "sheet_id"]
    drawn = others.sample(min(most, len(others)), random_state=seed)
    return [Candidate(sheet_id, "drawn at random") for sheet_id in drawn]


def uncertain_sheets(verdicts: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return ``sheet_id, margin`` of inspected sheets near a threshold, the nearest first.

    Those that were sent to review, or that no gate scored, are left out.
    """
    others = verdicts[(verdicts["verdict"] != "review") & verdicts["margin"].notna()]
    order = others["margin"].abs().sort_values(kind="stable").index[:most]
    return others.loc[order, ["sheet_id", "margin"]]


def odd_sheets(oddest: pd.DataFrame, groups: Mapping[str, str]) -> list[Candidate]:
    """Return the sheets of ``oddest_sheets``, one per group of near-duplicates."""
    once = oddest[~oddest["sheet_id"].map(groups).duplicated()]
    return [
        Candidate(sheet_id, f"odd: {measure.replace('_', ' ')}")
        for sheet_id, measure in zip(once["sheet_id"], once["measure"], strict=True)
    ]


def reviewed_sheets(verdicts: pd.DataFrame) -> list[Candidate]:
    """Return the sheets that inspection sent to review, the most doubtful first."""
    reviews = verdicts[verdicts["verdict"] == "review"]
    order = reviews["margin"].abs().sort_values(na_position="last", kind="stable").index
    rows = reviews.loc[order, ["sheet_id", "reason"]].itertuples(index=False, name=None)
    return [Candidate(sheet_id, f"review: {reason}") for sheet_id, reason in rows]


@dataclass(frozen=True)
class SheetToLabel:
    """A sheet of a labelling job.

    Attributes:
        name: What it is called in the job, POSIX.
        sheet_id: Its id.
        path: Of its file, below the folder that it is in.
        origin: ``labelled`` or ``new``.
        split: Of a labelled one.
        why: Why it is there.
        sha256: Of its file.
    """

    name: str
    sheet_id: str
    path: str
    origin: str
    split: str | None
    why: str
    sha256: str


def sheets_of_job(
    chosen: Mapping[tuple[str, str], str], labelled: pd.DataFrame, new: pd.DataFrame, job: str
) -> list[SheetToLabel]:
    """Name the chosen sheets: each origin has a folder of the job's, so that no two share a name.

    Args:
        chosen: From :func:`choose`.
        labelled: ``sheet_id, path, sha256, split`` of labelled sheets.
        new: ``sheet_id, path, sha256`` of inspected sheets.
        job: What the job is called.
    """
    tables = {LABELLED: labelled, NEW: new.assign(split=None)}
    columns = ["sheet_id", "path", "split", "sha256"]
    known = {
        (origin, row[0]): row
        for origin, table in tables.items()
        for row in table[columns].itertuples(index=False, name=None)
    }
    return [
        SheetToLabel(
            f"{job}-{origin}/{_plain(sheet_id)}", sheet_id, path, origin, split, why, digest
        )
        for (origin, sheet_id), why in chosen.items()
        for _, path, split, digest in [known[origin, sheet_id]]
    ]


def _plain(sheet_id: str) -> str:
    """Return a name that stays below its folder, and that every tool takes for a picture's."""
    inside = not sheet_id.startswith("/") and normpath(sheet_id) == sheet_id
    if inside and not sheet_id.startswith("../") and "\\" not in sheet_id:
        return sheet_id
    stem, ending = splitext(re.sub(r"[/\\]|\.\.+", "_", sheet_id))
    digest = hashlib.sha256(sheet_id.encode(errors="surrogateescape")).hexdigest()[:8]
    return f"{stem[-_LONGEST:]}_{digest}{ending}"


def labelling_sheets(
    sheets: Sequence[SheetToLabel], outlines: Sequence[str], job: str, earlier: pd.DataFrame
) -> pd.DataFrame:
    """Make the table ``labelling_sheets``: the sheets of all jobs, those of this one last.

    Args:
        sheets: Of this job.
        outlines: Short digest of the outlines that each is sent with.
        job: What the job is called.
        earlier: The table of before, without this job.
    """
    rows = [
        {"job": job, "outlines": drawn, **asdict(one)}
        for one, drawn in zip(sheets, outlines, strict=True)
    ]
    table = LABELLING_SHEETS.typed(pd.DataFrame(rows, columns=list(LABELLING_SHEETS.columns)))
    return LABELLING_SHEETS.typed(pd.concat([earlier, table])) if len(earlier) else table


def job_name(day: date, earlier: pd.DataFrame, sheet_ids: Iterable[str]) -> str:
    """Name a job after its day; a second one of the day gets a number.

    No folder of sheets is called like one of the job's.
    """
    folders = {folder for one in sheet_ids for folder in one.split("/")[:1]}
    known = set(earlier["job"]) if len(earlier) else set()
    names = (f"{day}{number}" for number in chain([""], (f"-{n}" for n in count(2))))
    return next(
        name
        for name in names
        if name not in known and not folders & {f"{name}-{LABELLED}", f"{name}-{NEW}"}
    )
