"""The test sheets that two packages can be compared on: those that neither has learned from."""

import hashlib
from dataclasses import dataclass

import pandas as pd

from steel_defects.data.short_digests import short_digests

#: Fewer sheets that both packages have not seen say too little.
LEAST_SHEETS = 50

_ANEW = "; to begin anew without a comparison, move {folder} away"


@dataclass(frozen=True)
class PackageFacts:
    """What of a package counts before anybody asks its networks.

    Attributes:
        version: Such as ``2026-11-26T05.52.16.188Z``.
        learned: Short digests of the sheets that it learned from; None where it does not say.
        target_recall: Share of defective sheets that it is to stop; None where it does not say.
    """

    version: str
    model_id: str
    thresholds_id: str
    class_names: tuple[str, ...]
    learned: frozenset[str] | None
    target_recall: float | None


@dataclass(frozen=True)
class ComparableSheets:
    """The test sheets, and those of them that neither package has learned from.

    Attributes:
        sheet_ids: Those that are compared, in alphabetical order.
        test_sheets: How many test sheets there are.
        learned: How many of these each package knows, itself or a look-alike: of the candidate,
            and of the promoted one.
        test_split: Short digest of the test sheets.
    """

    sheet_ids: list[str]
    test_sheets: int
    learned: tuple[int, int]
    test_split: str


def comparable_sheets(
    sheets: pd.DataFrame, splits: pd.DataFrame, candidate: PackageFacts, promoted: PackageFacts
) -> ComparableSheets:
    """Find the test sheets of whose group neither package has learned any.

    Args:
        sheets: ``sheet_id, sha256``.
        splits: ``sheet_id, group_id, split``.
        candidate: Says what it learned, like ``promoted``.
        promoted: The package in use.
    """
    table = splits.merge(sheets[["sheet_id", "sha256"]], on="sheet_id")
    digests = short_digests(table["sha256"])
    test = table["split"] == "test"
    known = [
        table["group_id"].isin(table.loc[digests.isin(one.learned or ()), "group_id"])
        for one in (candidate, promoted)
    ]
    return ComparableSheets(
        sheet_ids=sorted(table.loc[test & ~known[0] & ~known[1], "sheet_id"]),
        test_sheets=int(test.sum()),
        learned=(int((test & known[0]).sum()), int((test & known[1]).sum())),
        test_split=digest_of_test(sheets, splits),
    )


def digest_of_test(sheets: pd.DataFrame, splits: pd.DataFrame) -> str:
    """Return a short digest of the test sheets, by which a test split is told from others."""
    test = splits.loc[splits["split"] == "test", "sheet_id"]
    digests = sorted(short_digests(sheets.loc[sheets["sheet_id"].isin(test), "sha256"]))
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:12]


def incomparable(candidate: PackageFacts, promoted: PackageFacts, folder: str) -> str:
    """Say why two packages cannot be compared, whatever the sheets; empty where they can.

    ``folder`` is that of the promoted package.
    """
    if candidate.class_names != promoted.class_names:
        names = " and ".join(", ".join(one.class_names) for one in (candidate, promoted))
        return f"its classes are others than those of the promoted one: {names}{_anew(folder)}"
    silent = [
        name
        for name, one in (("candidate", candidate), ("promoted package", promoted))
        if one.learned is None
    ]
    if silent:
        return (
            f"the {' and the '.join(silent)} can't say which sheets it learned from, as packages "
            "of earlier releases, so that no test sheet is known to be new to it; build it again "
            f"with kedro run --pipelines=segmentation --nodes=build_package{_anew(folder)}"
        )
    return ""


def too_few(comparable: ComparableSheets) -> str:
    """Say that there are too few sheets to compare on; empty where there are enough."""
    count = len(comparable.sheet_ids)
    if count >= LEAST_SHEETS:
        return ""
    known, promoted = comparable.learned
    return (
        f"{count} of {comparable.test_sheets} test sheets are new to both packages, and "
        f"{LEAST_SHEETS} are needed (the candidate learned {known} of them or their look-alikes, "
        f"the promoted one {promoted}); label more sheets and run data_engineering again"
    )


def _anew(folder: str) -> str:
    return _ANEW.format(folder=folder)
