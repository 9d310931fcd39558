"""Nodes that set an earlier version of the models beside those of now."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from steel_defects.datasets.model_versions import ModelVersions
from steel_defects.datasets.trained_models import TrainedGate, TrainedSegmenter
from steel_defects.decision.operating_point import OperatingPointConfig
from steel_defects.errors import SteelDefectsError
from steel_defects.images.folder import SheetFolder
from steel_defects.tables.declared import PREDICTIONS, RUN_COMPARISON, SHEET_SCORES

from .gate_nodes import outlined_sheets

if TYPE_CHECKING:
    from kedro.io import DataCatalog

    from steel_defects.evaluation.changed_verdicts import RunTables
    from steel_defects.evaluation.run_comparison import Truth

logger = logging.getLogger(__name__)

_MOST_PICTURES = 12

#: Datasets by the part that they play, which is also how arguments end; and whose they are.
_DATASETS = {
    "scores": "sheet_scores",
    "point": "operating_point",
    "predictions": "predictions",
    "stacking": "stacking",
}
_TABLES = {"scores": SHEET_SCORES, "predictions": PREDICTIONS}


def compare_with_earlier(
    earlier_versions: ModelVersions,
    compare: str,
    chosen_segmenter: TrainedSegmenter,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    splits: pd.DataFrame,
    operating_point: OperatingPointConfig,
    chosen_gate: TrainedGate | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare the chosen gate and segmenter with what they were at an earlier version.

    Where that version lacks a table, the newest before it was in use at the time, and counts.

    Returns:
        ``run_comparison`` and ``changed_verdicts``.
    """
    from steel_defects.evaluation.run_comparison import Truth

    version = earlier_versions.resolve(compare)
    models = _models(chosen_gate.name if chosen_gate else None, chosen_segmenter.name)
    newest = max(one.version for one in (chosen_gate, chosen_segmenter) if one)
    now = _tables_at(earlier_versions, models, newest)
    truth = Truth(sheets, annotations, splits)
    return _compared(earlier_versions, version, now, models, truth, operating_point)


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
    from steel_defects.evaluation.run_comparison import Truth

    versions = catalog.load("earlier_versions")
    version = versions.resolve(before, after)
    gate = catalog.load("chosen_gate") if catalog.exists("chosen_gate") else None
    models = _models(gate.name if gate else None, catalog.load("chosen_segmenter").name)
    return _compared(
        versions,
        version,
        _tables_at(versions, models, after or versions.names[-1]),
        models,
        Truth(*(catalog.load(name) for name in ("sheets", "annotations", "splits"))),
        OperatingPointConfig.model_validate(catalog.load("params:operating_point")),
    )


def _models(gate: str | None, segmenter: str) -> dict[str, str]:
    """Name the model of each part; without a gate it has none."""
    named = {"scores": gate, "point": gate, "predictions": segmenter, "stacking": segmenter}
    return {part: name for part, name in named.items() if name}


def _compared(
    versions: ModelVersions,
    version: str,
    now: "RunTables",
    models: Mapping[str, str],
    truth: "Truth",
    config: OperatingPointConfig,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    from steel_defects.evaluation.run_comparison import compare_runs

    try:
        figures, changed = compare_runs(_tables_at(versions, models, version), now, truth, config)
    except SteelDefectsError as error:
        raise SteelDefectsError(f"cannot compare with {version}: {error}") from error
    for row in figures.drop_duplicates(["part", "evaluation"]).itertuples():
        if row.left_out:
            logger.warning(
                "the %s of %s and now have %d sheets (%s) in common; %d others are left out",
                row.part, version, row.sheets, row.evaluation.replace("_", " "), row.left_out,
            )  # fmt: skip
    used = {
        part: versions.version_of(f"{models[part]}.{_DATASETS[part]}", version)
        for part in _TABLES
        if part in models
    }
    return _labelled(figures, version, models, used), changed


def _tables_at(versions: ModelVersions, models: Mapping[str, str], version: str) -> "RunTables":
    from steel_defects.evaluation.changed_verdicts import RunTables

    found = {
        part: versions.load(f"{name}.{_DATASETS[part]}", version) for part, name in models.items()
    }
    for part, declaration in _TABLES.items():
        table = found.get(part)
        missing = [] if table is None else sorted(set(declaration.columns) - set(table.columns))
        if missing:
            raise SteelDefectsError(
                f"{models[part]}.{_DATASETS[part]} of {version} was saved by another release: it "
                f"lacks {', '.join(missing)}"
            )
    if found.get("point") is None:
        found["scores"] = None  # scores without a threshold decide nothing
    return RunTables(**{part: table for part, table in found.items() if table is not None})


def _labelled(
    figures: pd.DataFrame,
    version: str,
    models: Mapping[str, str],
    used: Mapping[str, str | None],
) -> pd.DataFrame:
    """Say of each row which models it speaks of, and from which version the earlier figure is."""
    owners = {"scores": "gate", "predictions": "segmenter"}
    seen = [kind for kind, owner in owners.items() if owner in set(figures["part"])]
    names = {owners[kind]: models[kind] for kind in seen}
    names["verdicts"] = " and ".join(models[kind] for kind in seen)
    newest = {owners[kind]: used[kind] for kind in seen}
    newest["verdicts"] = max((used[kind] or "" for kind in seen), default="")
    table = figures.assign(
        compared_with=version, model=figures["part"].map(names), version=figures["part"].map(newest)
    )
    return RUN_COMPARISON.typed(table)


def draw_changed_verdicts(
    changed_verdicts: pd.DataFrame,
    raw_sheets: SheetFolder,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
) -> Any:
    """Draw a contact sheet of some sheets whose verdict changed, those for the worse first."""
    from steel_defects.drawing.style import contact_sheet
    from steel_defects.reporting.comparison import changed_captions

    shown = changed_verdicts.head(_MOST_PICTURES)
    pictures = outlined_sheets(shown["sheet_id"], raw_sheets, sheets, annotations)
    return contact_sheet(pictures, changed_captions(shown), "No verdict changed.")
