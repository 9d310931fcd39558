"""Twelve drawn sheets with their labels, which tests damage or write in other formats."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from steel_defects.data.config import DataEngineeringConfig, SampleDataConfig, TrustLimits
from steel_defects.images.folder import SheetFolder
from steel_defects.labels import rle as run_length
from steel_defects.labels.formats.recognise import LabelFolder
from steel_defects.labels.mask_folder import MaskFolder
from steel_defects.pipelines.data_engineering import nodes
from steel_defects.pipelines.sample_data import draw_annotated_sheets

HEIGHT, WIDTH = 64, 256
NAMES = ("pitting", "crack", "scratch", "scale")
CONFIG = DataEngineeringConfig(
    seed=1, class_names=NAMES, expected_size=(HEIGHT, WIDTH), shares={"train": 1},
    tile_size=(64, 64), tile_stride=(64, 64),
)  # fmt: skip
TOLERANT = TrustLimits(misnamed=1, lost=1, unusable=1)


class LabelledSheets:
    """Twelve sheets in a folder, and the rows of their labels."""

    def __init__(self, root: Path) -> None:
        self.root, self.pictures = root, root / "train_images"
        drawn = SampleDataConfig(seed=5, sheets=12, new_sheets=1, width=WIDTH, height=HEIGHT)
        self.drawn, rows = draw_annotated_sheets(drawn)
        self.pictures.mkdir(parents=True)
        for name, picture in self.drawn.items():
            (self.pictures / name).write_bytes(picture())
        self.rows = rows.astype("str")
        self.defective = set(self.rows["ImageId"])
        self.inventory = self.sent = self.relabelled = pd.DataFrame()

    def masks(self, folder: str = "annotations") -> Path:
        """Write the labels as a folder of masks instead."""
        place = self.root / folder
        place.mkdir()
        for name in self.drawn:
            cv2.imwrite(str(place / name.replace(".jpg", ".png")), self.mask(name))
        return place

    def mask(self, name: str) -> np.ndarray:
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        for row in self.rows[self.rows["ImageId"] == name].itertuples():
            mask[run_length.decode(row.EncodedPixels, HEIGHT, WIDTH) > 0] = int(row.ClassId)
        return mask

    def rename(self, change: Callable[[str], str], every: int = 1) -> None:
        """Change the names in the rows of each nth defective sheet."""
        names = sorted(self.defective)[::every]
        changed = self.rows["ImageId"].map(lambda name: change(name) if name in names else name)
        self.rows = self.rows.assign(ImageId=changed)

    def read(
        self,
        source: MaskFolder | LabelFolder | None = None,
        bit_depth: int | None = None,
        **changes: object,
    ) -> pd.DataFrame:
        """Check the labels and build the table of sheets."""
        config = CONFIG.model_copy(update=changes)
        raw = self.rows if source is None else source
        folder = SheetFolder(self.root, bit_depth=bit_depth)
        inventory = self.inventory = nodes.inventory_sheets(folder, self.inventory, config)
        sound = inventory[inventory["problem"] == ""]
        groups = sound[["sheet_id"]].assign(group_id=sound["sheet_id"], problem="")
        self.annotations, findings, self.relabelled, self.void = nodes.check_annotations(
            raw, folder, inventory, groups,
            self.root / "corrections", self.sent, self.relabelled, config,
        )  # fmt: skip
        self.all_findings = findings
        self.findings = [finding["reason"] for finding in findings]
        return nodes.build_sheets(inventory, groups, self.annotations, findings, self.void)

    def false_clean(self, table: pd.DataFrame) -> set[str]:
        """Return the defective sheets that pass for clean."""
        return set(table.loc[~table["has_defect"], "sheet_id"]) & self.defective
