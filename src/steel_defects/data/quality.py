"""Summing up a data set, and the sheets unlike the rest: overexposed, nearly black, blank, torn."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from steel_defects.data.inventory import THUMBNAIL, thumbnails_of
from steel_defects.data.segmenter_only import divided, learners
from steel_defects.data.similar import COPY, DIFFERENT, SAME_FILE
from steel_defects.images.orientations import brought_over
from steel_defects.labels import rle as run_length
from steel_defects.labels.masks import AGREEING_IOU, NOT_LABELLED, masks_by_sheet, sizes_by_sheet

Masks = Mapping[str, Mapping[int, str]]
Sizes = Mapping[str, tuple[int, int]]

_APPEARANCE = {
    "mean_intensity": "brightness",
    "contrast": "contrast",
    "black_fraction": "black share",
    "saturated_fraction": "saturated share",
}
#: What oddness is judged by, and how it is called.
MEASURES = {**_APPEARANCE, "distinctness": "distance from the nearest sheet"}

_BLACK_COLUMN = 14.0  # mean gray value under which a column of a thumbnail shows no steel
# Pixel score from which the whole picture is the same, not only a good part of it.
_WHOLE = 0.8


def quality_report(
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    splits: pd.DataFrame,
    pictures: pd.DataFrame,
    similar: pd.DataFrame,
    findings: Sequence[Mapping[str, Any]],
    class_names: Sequence[str],
    corrections: pd.DataFrame,
) -> dict[str, Any]:
    """Describe a data set as its tables hold it, and what was set aside.

    ``pictures`` is the inventory with the pictures that were set aside, ``findings`` are those of
    :class:`steel_defects.labels.masks.Finding`, as dictionaries, ``corrections`` is
    ``label_corrections``.

    Returns:
        What JSON can hold: counts, of which sheets set aside hold those not labelled, class
        balance, areas, sizes, brightness, black borders, groups, splits, copies with conflicting
        masks, and ``quarantined``, one entry per finding.
    """
    aside = {finding["sheet_id"] for finding in findings if finding["set_aside"]}
    unlabelled = sum(finding["reason"].startswith(NOT_LABELLED) for finding in findings)
    inventory = pictures[pictures["sheet_id"].isin(sheets["sheet_id"])]
    defective, quantiles = int(sheets["has_defect"].sum()), (0, 5, 50, 95, 100)
    levels = inventory[list(_APPEARANCE)].quantile(np.array(quantiles) / 100).round(4)
    by_split = splits.merge(sheets[["sheet_id", "has_defect"]], on="sheet_id")
    by_split = by_split.groupby("split")["has_defect"].agg(sheets="size", defective="sum")
    return {
        "pictures_found": len(pictures),
        "sheets": len(sheets),
        "clean_sheets": len(sheets) - defective,
        "defective_sheets": defective,
        "unlabelled_sheets": unlabelled,
        "sheets_set_aside": len(aside & set(pictures["sheet_id"])),
        "groups": int(sheets["group_id"].nunique()),
        "class_balance": _class_balance(annotations, class_names),
        "sizes": _counts(sheets["width"].astype(str) + "×" + sheets["height"].astype(str)),
        "brightness": [
            {"measure": name, **{f"p{q}": float(levels[name][q / 100]) for q in quantiles}}
            for name in _APPEARANCE
        ],
        "black_border": border_statistics(inventory),
        "splits": by_split.reset_index().to_dict("records"),
        "labelled_again": _labelled_again(corrections, splits),
        **_similarity(sheets, annotations, similar),
        "quarantined": list(findings),
    }


def segmenter_only_report(
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    splits: pd.DataFrame,
    findings: Sequence[Mapping[str, Any]],
    class_names: Sequence[str],
) -> dict[str, Any]:
    """Count the sheets for segmenters alone, and say from which trainings they are left out.

    Args:
        sheets: These sheets.
        annotations: Of these sheets.
        splits: Of all sheets.
        findings: About pictures and labels of the second folder.
        class_names: Of classes 1, 2, …

    Returns:
        What JSON can hold: counts, and ``segmenter_only_look_alikes``, one entry per sheet that
        resembles some of the data folder.
    """
    learned = set(learners(splits))
    alike = divided(splits, splits).merge(sheets[["sheet_id", "group_id"]], on="group_id")
    look_alikes = [
        {
            "sheet_id": sheet_id,
            "resembles": ", ".join(rows["sheet_id_x"]),
            "split": rows["split"].iloc[0],
            "left_out_of": "folds that hold these out"
            if sheet_id in learned
            else "the final segmenter, and folds that hold these out",
        }
        for sheet_id, rows in alike.groupby("sheet_id_y")
    ]
    return {
        "segmenter_only": {
            "sheets": len(sheets),
            "defective_sheets": int(sheets["has_defect"].sum()),
            "sheets_set_aside": len({one["sheet_id"] for one in findings if one["set_aside"]}),
            "left_out_of_the_final_segmenter": len(sheets) - len(learned),
            "left_out_of_some_folds": len(look_alikes),
        },
        "segmenter_only_classes": _class_balance(annotations, class_names),
        "segmenter_only_look_alikes": look_alikes,
    }


def _labelled_again(corrections: pd.DataFrame, splits: pd.DataFrame) -> list[dict[str, Any]]:
    """Count by source and split the sheets that came back from people, and the labels changed."""
    table = corrections.merge(splits[["sheet_id", "split"]], on="sheet_id")
    counts = table.groupby(["source", "split"])["changed"].agg(sheets="size", changed_labels="sum")
    return [
        {**row, "sheets": int(row["sheets"]), "changed_labels": int(row["changed_labels"])}
        for row in counts.reset_index().to_dict("records")
    ]


def _class_balance(annotations: pd.DataFrame, class_names: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    for class_id, name in enumerate(class_names, start=1):
        areas = annotations.loc[annotations["class_id"] == class_id, "area_px"]
        figures = {"median": areas.median(), "p5": areas.quantile(0.05), "max": areas.max()}
        known = {f"area_px_{key}": None if areas.empty else float(v) for key, v in figures.items()}
        rows.append({"class": name, "sheets": len(areas), **known})
    return rows


def _similarity(
    sheets: pd.DataFrame, annotations: pd.DataFrame, similar: pd.DataFrame
) -> dict[str, Any]:
    groups = sheets[sheets.duplicated("group_id", keep=False)].groupby("group_id")["sheet_id"]
    related = similar.loc[similar["relation"] != DIFFERENT, "relation"]
    return {
        "similar_pairs": _counts(related),
        "group_sizes": _counts(sheets["group_id"].value_counts()),
        "look_alike_groups": [
            {"group_id": group, "sheets": ", ".join(ids)} for group, ids in groups.agg(list).items()
        ],
        "conflicting_masks": conflicting_masks(
            similar, masks_by_sheet(annotations), sizes_by_sheet(sheets)
        ),
    }


def _counts(values: pd.Series) -> dict[str, int]:
    return {str(value): int(count) for value, count in values.value_counts().items()}


def conflicting_masks(similar: pd.DataFrame, masks: Masks, sizes: Sizes) -> list[dict[str, Any]]:
    """List copies whose masks, encoded by sheet and class, contradict each other.

    Returns:
        ``sheet_id, other_id, score, class_id, iou`` for each pair and class in conflict, the surest
        copies first; ``iou`` is 0 where only one of the two has the class.
    """
    copies = similar[similar["relation"].isin([SAME_FILE, COPY]) & (similar["score"] >= _WHOLE)]
    copies = copies.sort_values("score", ascending=False)
    columns = copies[["sheet_id", "other_id", "orientation", "score"]]
    return [
        {"sheet_id": one, "other_id": other, "score": round(score, 3), "class_id": k, "iou": iou}
        for one, other, turn, score in columns.itertuples(index=False, name=None)
        if one in sizes and other in sizes
        for k, iou in _overlaps(one, other, int(turn), masks, sizes)
        if iou < AGREEING_IOU
    ]


def _overlaps(
    one: str, other: str, orientation: int, masks: Masks, sizes: Sizes
) -> Iterator[tuple[int, float]]:
    """Yield the intersection over union of each class that either of two copies has."""
    first, second = masks.get(one, {}), masks.get(other, {})
    for class_id in sorted({*first, *second}):
        if class_id not in first or class_id not in second:
            yield class_id, 0.0
        elif first[class_id] == second[class_id] and not orientation:
            yield class_id, 1.0
        else:
            mask = run_length.decode(first[class_id], *sizes[one])
            turned = brought_over(mask, orientation, sizes[other])
            target = run_length.decode(second[class_id], *sizes[other])
            yield class_id, round(run_length.overlap(turned, target), 4)


def oddest_sheets(inventory: pd.DataFrame, nearest: pd.Series, count: int) -> pd.DataFrame:
    """Find the sheets that are easiest to tell from the rest by their measures.

    Oddness is the anomaly score of an isolation forest (Liu, Ting and Zhou 2008,
    doi:10.1109/ICDM.2008.17). Of each group of similar sheets only the oddest is returned, and
    only for its looks: a sheet that is unlike the others in nothing but its copies is not odd.

    Args:
        inventory: Sound pictures, as the inventory describes them, with their ``group_id``.
        nearest: Similarity of each sheet to its nearest other one, -1 to 1, in the same order.
        count: Sheets to return at most.

    Returns:
        ``sheet_id, path, measure, value, percentile``, the oddest first: the measure in which the
        sheet is most extreme, its value there, and the percentile, 0 to 100, that this is.
    """
    from sklearn.ensemble import IsolationForest

    distance = np.maximum(1 - nearest.to_numpy(), 0)  # rounding leaves copies just below 0
    # Nothing is odd about a sheet for having copies: being near others counts as usual.
    usual = np.maximum(distance, np.median(distance)) if len(distance) else distance
    values = inventory[list(_APPEARANCE)].assign(distinctness=usual)
    forest = IsolationForest(random_state=0).fit(values.to_numpy())
    # Share of the sheets with as small a value or smaller, and with as large a one or larger.
    low, high = (
        values.rank(pct=True, method="max", ascending=ascending) for ascending in (True, False)
    )
    extreme = np.minimum(low, high).idxmin(axis=1)
    cells = np.arange(len(values)), values.columns.get_indexer(extreme)
    table = inventory[["sheet_id", "path", "group_id"]].assign(
        measure=extreme.map(MEASURES),
        value=values.to_numpy()[cells],
        percentile=(100 * values.rank(pct=True)).to_numpy()[cells],
        oddness=-forest.score_samples(values.to_numpy()),
    )
    table = table.sort_values(["oddness", "sheet_id"], ascending=[False, True])
    table = table.drop_duplicates("group_id").head(count)
    return table.drop(columns=["group_id", "oddness"]).reset_index(drop=True)


def border_statistics(inventory: pd.DataFrame) -> dict[str, float]:
    """Describe the black next to the strip, from the thumbnails.

    Returns:
        ``left``, ``right`` and ``none``: share of the sheets with such a border; ``width_p50`` and
        ``width_p95``: its width, as a share of the sheet's, where there is one.
    """
    columns = thumbnails_of(inventory).reshape(-1, *THUMBNAIL[::-1]).mean(axis=1)
    steel = columns >= _BLACK_COLUMN
    anything = steel.any(axis=1)
    left = np.where(anything, steel.argmax(axis=1), steel.shape[1])
    right = np.where(anything, steel[:, ::-1].argmax(axis=1), 0)
    widths = np.maximum(left, right) / steel.shape[1]
    seen = widths[widths > 0]
    p50, p95 = np.quantile(seen, [0.5, 0.95]) if len(seen) else (0.0, 0.0)
    figures = {
        "left": (left > 0).mean(),
        "right": (right > 0).mean(),
        "none": (widths == 0).mean(),
        "width_p50": p50,
        "width_p95": p95,
    }
    return {name: round(float(figure), 4) for name, figure in figures.items()}
