"""Summing up what data engineering found."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from steel_defects.annotations.severstal import Finding


def quality_report(
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    splits: pd.DataFrame,
    findings: Sequence[Finding],
    class_names: Sequence[str],
) -> dict[str, Any]:
    """Describe a data set as the tables hold it, and what was set aside.

    Returns:
        What JSON can hold: counts, class balance, areas, sizes, brightness, groups, splits and
        ``quarantined``, one entry a finding.
    """
    groups = sheets.groupby("group_id")["sheet_id"].agg(list)
    return {
        "sheets": len(sheets),
        "clean_sheets": int((~sheets["has_defect"]).sum()),
        "defective_sheets": int(sheets["has_defect"].sum()),
        "sheets_set_aside": len({f.sheet_id for f in findings if f.set_aside}),
        "class_balance": _class_balance(annotations, class_names),
        "sizes": _counts(sheets["width"].astype(str) + "×" + sheets["height"].astype(str)),
        "mean_intensity": _quantiles(sheets["mean_intensity"]),
        "black_fraction": _quantiles(sheets["black_fraction"]),
        "splits": _split_balance(sheets, splits),
        "look_alike_groups": [
            {"group_id": group, "sheets": ", ".join(ids)}
            for group, ids in groups.items()
            if len(ids) > 1
        ],
        "quarantined": [asdict(finding) for finding in findings],
    }


def _class_balance(annotations: pd.DataFrame, class_names: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    for class_id, name in enumerate(class_names, start=1):
        areas = annotations.loc[annotations["class_id"] == class_id, "area_px"]
        rows.append({"class": f"{class_id} {name}", "sheets": len(areas), **_areas(areas)})
    return rows


def _areas(areas: pd.Series) -> dict[str, float | None]:
    if areas.empty:
        return {"area_px_median": None, "area_px_p5": None, "area_px_max": None}
    return {
        "area_px_median": float(areas.median()),
        "area_px_p5": float(areas.quantile(0.05)),
        "area_px_max": float(areas.max()),
    }


def _split_balance(sheets: pd.DataFrame, splits: pd.DataFrame) -> list[dict[str, Any]]:
    joined = splits.merge(sheets[["sheet_id", "has_defect"]], on="sheet_id")
    table = joined.groupby("split")["has_defect"].agg(sheets="size", defective="sum").reset_index()
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def _counts(values: pd.Series) -> dict[str, int]:
    return {str(value): int(count) for value, count in values.value_counts().items()}


def _quantiles(values: pd.Series) -> dict[str, float]:
    return {f"p{q}": round(float(values.quantile(q / 100)), 4) for q in (0, 5, 50, 95, 100)}
