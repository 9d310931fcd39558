"""Summing up what data engineering found."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from steel_defects.data.oddities import border_statistics
from steel_defects.data.similarity.duplicates import conflicting_masks, masks_by_sheet
from steel_defects.data.similarity.similar import DIFFERENT
from steel_defects.labels.severstal import Finding

_MEASURES = ("mean_intensity", "contrast", "black_fraction", "saturated_fraction")


@dataclass(frozen=True)
class DataSet:
    """The tables that a data set became.

    Attributes:
        sheets: Sound sheets.
        annotations: Their masks.
        splits: How they are divided.
        inventory: All pictures that were found.
        similar: Pairs of similar sheets.
    """

    sheets: pd.DataFrame
    annotations: pd.DataFrame
    splits: pd.DataFrame
    inventory: pd.DataFrame
    similar: pd.DataFrame


def quality_report(
    data: DataSet, findings: Sequence[Finding], class_names: Sequence[str]
) -> dict[str, Any]:
    """Describe a data set as the tables hold it, and what was set aside.

    Returns:
        What JSON can hold: counts, class balance, areas, sizes, brightness, black borders, groups,
        splits, copies with conflicting masks, and ``quarantined``, one entry a finding.
    """
    sheets = data.sheets
    inventory = data.inventory[data.inventory["sheet_id"].isin(sheets["sheet_id"])]
    return {
        "pictures_found": len(data.inventory),
        "sheets": len(sheets),
        "clean_sheets": int((~sheets["has_defect"]).sum()),
        "defective_sheets": int(sheets["has_defect"].sum()),
        "sheets_set_aside": len(
            {f.sheet_id for f in findings if f.set_aside} & set(data.inventory["sheet_id"])
        ),
        "groups": int(sheets["group_id"].nunique()),
        "class_balance": _class_balance(data.annotations, class_names),
        "sizes": _counts(sheets["width"].astype(str) + "×" + sheets["height"].astype(str)),
        "brightness": [{"measure": name, **_quantiles(inventory[name])} for name in _MEASURES],
        "black_border": border_statistics(inventory),
        "splits": _split_balance(sheets, data.splits),
        **_similarity(data),
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


def _similarity(data: DataSet) -> dict[str, Any]:
    """List what belongs together, and copies whose masks contradict each other."""
    sheets = data.sheets
    groups = sheets[sheets.duplicated("group_id", keep=False)].groupby("group_id")["sheet_id"]
    related = data.similar.loc[data.similar["relation"] != DIFFERENT, "relation"]
    columns = sheets[["sheet_id", "height", "width"]].itertuples(index=False, name=None)
    sizes = {sheet_id: (int(height), int(width)) for sheet_id, height, width in columns}
    masks = masks_by_sheet(data.annotations)
    return {
        "similar_pairs": _counts(related),
        "group_sizes": _counts(sheets["group_id"].value_counts()),
        "look_alike_groups": [
            {"group_id": group, "sheets": ", ".join(ids)} for group, ids in groups.agg(list).items()
        ],
        "conflicting_masks": conflicting_masks(data.similar, masks, sizes),
    }


def _counts(values: pd.Series) -> dict[str, int]:
    return {str(value): int(count) for value, count in values.value_counts().items()}


def _quantiles(values: pd.Series) -> dict[str, float]:
    return {f"p{q}": round(float(values.quantile(q / 100)), 4) for q in (0, 5, 50, 95, 100)}
