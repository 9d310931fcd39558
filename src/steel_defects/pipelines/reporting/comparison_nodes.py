"""Nodes that set an earlier version of the models beside those of now."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd
from pydantic import ValidationError

from steel_defects.datasets.model_versions import ModelVersions
from steel_defects.datasets.trained_models import TrainedGate, TrainedSegmenter
from steel_defects.decision.fusion import Stacking
from steel_defects.decision.operating_point import OperatingPoint, OperatingPointConfig
from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.paired_figures import Truth
from steel_defects.evaluation.run_comparison import RunTables, compare_runs
from steel_defects.images.folder import SheetFolder
from steel_defects.reporting.comparison import changed_captions
from steel_defects.tables.declared import PREDICTIONS, RUN_COMPARISON, SHEET_SCORES

from .measurement_nodes import outlined_sheets

if TYPE_CHECKING:
    from kedro.io import DataCatalog

logger = logging.getLogger(__name__)

_MOST_PICTURES = 12
#: The table that each model is compared by.
_TABLES = {"gate": ("sheet_scores", SHEET_SCORES), "segmenter": ("predictions", PREDICTIONS)}


def compare_with_earlier(
    earlier_versions: ModelVersions,
    compare: str,
    chosen_segmenter: TrainedSegmenter,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    splits: pd.DataFrame,
    label_corrections: pd.DataFrame,
    operating_point: OperatingPointConfig,
    chosen_gate: TrainedGate | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare the chosen gate and segmenter with what they were at an earlier version.

    Where that version lacks a table, the newest before it was in use at the time, and counts.

    Returns:
        ``run_comparison`` and ``changed_verdicts``.
    """
    version = earlier_versions.resolve(compare)
    newest = max(one.version for one in (chosen_gate, chosen_segmenter) if one)
    truth = Truth(sheets, annotations, splits, label_corrections)
    models = _names(chosen_gate, chosen_segmenter)
    return _compared(earlier_versions, version, newest, models, truth, operating_point)


def compare_versions(
    catalog: "DataCatalog", before: str = "previous", after: str | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare two versions of the chosen gate and segmenter, in a notebook.

    Args:
        catalog: Of the environment.
        before: The earlier version, such as ``2026-11-26T05.52.16.188Z``; ``previous`` is the one
            before the later.
        after: The later version; None for the newest.

    Returns:
        ``run_comparison`` and ``changed_verdicts``.

    Raises:
        SteelDefectsError: There is no such version, or the two have nothing in common.
    """
    versions = catalog.load("earlier_versions")
    version = versions.resolve(before, after)
    gate = catalog.load("chosen_gate") if catalog.exists("chosen_gate") else None
    tables = ["sheets", "annotations", "splits"]
    # Data that an earlier release prepared know of no corrections.
    tables += [name for name in ("label_corrections",) if catalog.exists(name)]
    return _compared(
        versions,
        version,
        after or versions.names[-1],
        _names(gate, catalog.load("chosen_segmenter")),
        Truth(*map(catalog.load, tables)),
        OperatingPointConfig.model_validate(catalog.load("params:operating_point")),
    )


def _names(gate: TrainedGate | None, segmenter: TrainedSegmenter) -> dict[str, str]:
    return ({"gate": gate.name} if gate else {}) | {"segmenter": segmenter.name}


def _compared(
    versions: ModelVersions,
    earlier: str,
    later: str,
    models: Mapping[str, str],
    truth: Truth,
    config: OperatingPointConfig,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    now = _tables_at(versions, models, later)
    try:
        figures, changed = compare_runs(_tables_at(versions, models, earlier), now, truth, config)
    except SteelDefectsError as error:
        raise SteelDefectsError(f"cannot compare with {earlier}: {error}") from error
    for row in figures.drop_duplicates(["part", "evaluation"]).itertuples():
        if row.left_out:
            logger.warning(
                "the %s of %s and now have %d sheets (%s) in common; %d others are left out",
                row.part, earlier, row.sheets, row.evaluation.replace("_", " "), row.left_out,
            )  # fmt: skip
    # Which models each row speaks of, and from which version the earlier figure is.
    names = {part: name for part, name in models.items() if part in set(figures["part"])}
    used = {
        part: versions.version_of(f"{name}.{_TABLES[part][0]}", earlier) or ""
        for part, name in names.items()
    }
    made = _made_at(versions, models, earlier)
    relabelled = figures["evaluation"].map(lambda name: truth.changed_labels(made, name))
    names["verdicts"], used["verdicts"] = " and ".join(names.values()), max(used.values())
    figures = figures.assign(
        compared_with=earlier, model=figures["part"].map(names), version=figures["part"].map(used),
        changed_labels=relabelled,
    )  # fmt: skip
    return RUN_COMPARISON.typed(figures), changed


def _made_at(versions: ModelVersions, models: Mapping[str, str], version: str) -> pd.Timestamp:
    """Return when the tables of a version were written: after its run had merged its labels."""
    names = (f"{name}.{_TABLES[part][0]}" for part, name in models.items())
    paths = (versions.path_of(name, version) for name in names)
    return pd.Timestamp(max(path.stat().st_mtime for path in paths if path), unit="s", tz="UTC")


def _tables_at(versions: ModelVersions, models: Mapping[str, str], version: str) -> RunTables:
    def load(part: str, name: str) -> Any:
        return versions.load(f"{models[part]}.{name}", version) if part in models else None

    contents = {part: load(part, name) for part, (name, _) in _TABLES.items()}
    tables = {part: table for part, table in contents.items() if table is not None}
    for part, table in tables.items():
        name, declaration = _TABLES[part]
        if missing := sorted({*declaration.required} - {*table.columns}):
            raise SteelDefectsError(
                f"{models[part]}.{name} of {version} was saved by another release: it lacks "
                + ", ".join(missing)
            )
    point, stacking = load("gate", "operating_point"), load("segmenter", "stacking")
    if point is None:
        tables.pop("gate", None)  # scores without a threshold decide nothing
    try:
        return RunTables(
            tables.get("gate", pd.DataFrame()),
            point and OperatingPoint.model_validate(point),
            tables.get("segmenter", pd.DataFrame()),
            Stacking.model_validate(stacking or {}),
        )
    except ValidationError as error:
        raise SteelDefectsError(
            f"the thresholds of {version} were saved by another release: "
            f"{'.'.join(map(str, error.errors()[0]['loc']))}: {error.errors()[0]['msg']}"
        ) from error


def draw_changed_verdicts(
    changed_verdicts: pd.DataFrame,
    raw_sheets: SheetFolder,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
) -> Any:
    """Draw a contact sheet of some sheets whose verdict changed, those for the worse first."""
    from steel_defects.drawing.style import contact_sheet

    shown = changed_verdicts.head(_MOST_PICTURES)
    pictures = outlined_sheets(shown["sheet_id"], raw_sheets, sheets, annotations)
    return contact_sheet(pictures, changed_captions(shown), "No verdict changed.")
