"""A folder of sheets for segmenters alone, with copies of sheets of the data folder among them."""

from pathlib import Path

import numpy as np
import pandas as pd
from tests.support.data import CONFIG, NOT_RELABELLED, PLAN, Data
from tests.support.planting import brightened, resaved

from steel_defects.data.config import SampleDataConfig
from steel_defects.images.folder import SheetFolder
from steel_defects.images.reading import to_jpeg
from steel_defects.pipelines.data_engineering import nodes
from steel_defects.pipelines.sample_data import draw_annotated_sheets


def draw_second(root: Path, config: SampleDataConfig, like: dict[str, np.ndarray]) -> pd.DataFrame:
    """Draw a folder of defective sheets, and brighter copies of some pictures, by their names.

    Returns:
        Its ``train.csv`` as the catalog reads it: none of the copies has a defect.
    """
    (root / "train_images").mkdir(parents=True)
    pictures, rows = draw_annotated_sheets(config)
    rows = rows.astype("str")
    for name in sorted(set(rows["ImageId"])):
        (root / "train_images" / name).write_bytes(pictures[name]())
    for name, image in like.items():
        copy = resaved(brightened(image))
        (root / "train_images" / name).write_bytes(to_jpeg(copy, quality=95))
    rows.to_csv(root / "train.csv", index=False)
    return rows


def with_second(
    data: Data, folder: SheetFolder, labels: pd.DataFrame, config=CONFIG, aside: str = ""
) -> Data:
    """Make the tables anew, with a second folder; a sheet of the first may be set aside."""
    config = config.model_copy(update={"segmenter_only": str(folder.root)})
    nothing, root = pd.DataFrame(), config.segmenter_only
    inventory = nodes.inventory_sheets(data.folder, nothing, config, folder)
    similar = nodes.compare_sheets(data.folder, inventory, nothing, config)
    groups = nodes.group_similar_sheets(inventory, similar, nothing, config)
    groups.loc[groups["sheet_id"] == aside, "problem"] = "set aside"
    annotations, findings, _, void = nodes.check_annotations(
        data.raw_annotations, data.folder, inventory, groups, *NOT_RELABELLED, config, folder,
        labels,
    )  # fmt: skip
    sheets = nodes.build_sheets(inventory, groups, annotations, findings, void, root)
    splits, _ = nodes.split_sheets(sheets, annotations, nothing, config, PLAN, None)
    tiles = nodes.tile_sheets(sheets, annotations, splits, config)
    return Data(
        data.folder, data.raw_annotations, inventory, similar, groups, annotations, findings,
        sheets, splits, tiles,
    )  # fmt: skip
