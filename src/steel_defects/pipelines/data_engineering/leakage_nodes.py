"""Nodes that show whether splits leak, and which sheets people should look at."""

from typing import Any

import numpy as np
import pandas as pd

from steel_defects.data.config import DataEngineeringConfig
from steel_defects.data.quality import oddest_sheets
from steel_defects.data.similarity.leakage import leakage_table, lookup_baseline
from steel_defects.data.similarity.similar import nearest_similarity
from steel_defects.data.splits import assign_groups
from steel_defects.images.folder import SheetFolder
from steel_defects.labels.severstal import masks_by_sheet

ODDEST = 12  # sheets on the contact sheet


def measure_leakage(
    raw_sheets: SheetFolder,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    splits: pd.DataFrame,
    sheet_inventory: pd.DataFrame,
    data_engineering: DataEngineeringConfig,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare held-out with training sheets, and score a lookup, under these and random splits."""
    config = data_engineering
    described = sheets[["sheet_id", "path", "height", "width"]].merge(
        sheet_inventory[["sheet_id", "fingerprint"]], on="sheet_id"
    )
    ids = described["sheet_id"].tolist()
    shares = {str(split): share for split, share in config.shares.items()}
    divisions = {
        "by group": splits.set_index("sheet_id")["split"].loc[ids].tolist(),
        # What a split that knows nothing of copies would do.
        "at random": assign_groups(ids, [""] * len(ids), shares, config.seed),
    }
    masks = masks_by_sheet(annotations)
    lookups = [
        {"division": name, **lookup_baseline(described, masks, parts, config.classes)}
        for name, parts in divisions.items()
    ]
    return leakage_table(described, divisions, raw_sheets.read), pd.DataFrame(lookups)


def find_oddest_sheets(sheets: pd.DataFrame, sheet_inventory: pd.DataFrame) -> pd.DataFrame:
    """List the sheets that are least like the rest."""
    described = sheet_inventory.merge(sheets[["sheet_id", "group_id"]], on="sheet_id")
    return oddest_sheets(described, nearest_similarity(described), ODDEST)


def draw_oddest_sheets(raw_sheets: SheetFolder, oddest: pd.DataFrame) -> Any:
    """Draw a contact sheet of the oddest sheets."""
    from steel_defects.drawing.contact_sheet import contact_sheet

    pictures: list[np.ndarray] = [raw_sheets.read(path) for path in oddest["path"]]
    captions = [
        f"{row.sheet_id}: {row.measure} {row.value:.3g} (percentile {row.percentile:.1f})"
        for row in oddest.itertuples()
    ]
    return contact_sheet(pictures, captions)
