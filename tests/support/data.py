"""A dozen drawn sheets and their canonical tables, as the nodes of data engineering make them."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from steel_defects.data.config import DataEngineeringConfig, SampleDataConfig
from steel_defects.images.folder import SheetFolder
from steel_defects.pipelines.data_engineering import nodes
from steel_defects.pipelines.sample_data import draw_annotated_sheets
from steel_defects.tables.declared import VOID_PIXELS
from steel_defects.training.config import CrossValidationConfig

CONFIG = DataEngineeringConfig(
    seed=1,
    class_names=("pitting", "crack", "scratch", "scale"),
    expected_size=(64, 256),
    shares={"train": 0.5, "validation": 0.25, "test": 0.25},
    tile_size=(64, 64),
    tile_stride=(64, 64),
)
#: No corrections, nothing sent to be labelled, no run before.
NOT_RELABELLED = (Path("no corrections"), pd.DataFrame(), pd.DataFrame())
NO_VOID = VOID_PIXELS.empty()
PLAN = CrossValidationConfig(folds=2, repeats=2, models=("mobilenet_v2",), validation_share=0.3)


@dataclass(frozen=True)
class Data:
    """What the nodes take."""

    folder: SheetFolder
    raw_annotations: pd.DataFrame
    inventory: pd.DataFrame
    similar: pd.DataFrame
    groups: pd.DataFrame
    annotations: pd.DataFrame
    findings: list[dict[str, object]]
    sheets: pd.DataFrame
    splits: pd.DataFrame
    tiles: pd.DataFrame


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """Sixteen sheets, half of them clean."""
    root: Path = tmp_path_factory.mktemp("sheets")
    (root / "train_images").mkdir()
    drawn = SampleDataConfig(seed=5, sheets=16, new_sheets=1, width=256, height=64)
    pictures, raw = draw_annotated_sheets(drawn)
    for name, picture in pictures.items():
        (root / "train_images" / name).write_bytes(picture())
    raw = raw.astype("str")  # as the catalog reads the file
    folder = SheetFolder(root)
    nothing = pd.DataFrame()
    inventory = nodes.inventory_sheets(folder, nothing, CONFIG)
    similar = nodes.compare_sheets(folder, inventory, nothing, CONFIG)
    groups = nodes.group_similar_sheets(inventory, similar, nothing, CONFIG)
    annotations, findings, _, void = nodes.check_annotations(
        raw, folder, inventory, groups, *NOT_RELABELLED, CONFIG
    )
    sheets = nodes.build_sheets(inventory, groups, annotations, findings, void)
    splits, _ = nodes.split_sheets(sheets, annotations, nothing, CONFIG, PLAN, None)
    tiles = nodes.tile_sheets(sheets, annotations, splits, CONFIG)
    return Data(
        folder, raw, inventory, similar, groups, annotations, findings, sheets, splits, tiles
    )
