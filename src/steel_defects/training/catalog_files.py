"""Files where the project's catalog looks for them, read and written without Kedro."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from steel_defects.errors import SteelDefectsError
from steel_defects.files import replaced
from steel_defects.images.folder import SheetFolder
from steel_defects.training.jobs import TrainingData

_TABLES = {
    "sheets": "03_primary",
    "annotations": "03_primary",
    "splits": "03_primary",
    "tiles": "05_model_input",
}
RUN_RECORD = Path("08_reporting", "run.json")


def read_data(tables: Path, raw_dir: Path, checkpoints: Path) -> TrainingData:
    """Read the tables of data engineering.

    Args:
        tables: Data folder of an environment, such as ``data/cpu``, or a folder that holds
            ``sheets.parquet``, ``annotations.parquet``, ``splits.parquet`` and ``tiles.parquet``.
        raw_dir: Data folder of the pictures.
        checkpoints: Folder for what is not finished.

    Raises:
        SteelDefectsError: A table can't be read or there are no pictures.
    """
    folder = SheetFolder(raw_dir)
    if not len(folder):
        raise SteelDefectsError(f"there are no pictures in {folder.picture_folder}")
    found = {name: _read_table(tables, name) for name in _TABLES}
    return TrainingData(folder, checkpoints=checkpoints, **found)


def read_gate_scores(tables: Path) -> pd.DataFrame | None:
    """Read what the gate says of each sheet, for segmenters; None where no gate was trained."""
    return _find_table(tables, "gate_scores", "07_model_output")


def _read_table(folder: Path, name: str) -> pd.DataFrame:
    found = _find_table(folder, name, _TABLES[name])
    if found is None:
        raise SteelDefectsError(
            f"there is no {name}.parquet in {folder}; run the pipeline data_engineering first"
        )
    return found


def _find_table(folder: Path, name: str, layer: str) -> pd.DataFrame | None:
    for path in (folder / layer / f"{name}.parquet", folder / f"{name}.parquet"):
        if path.is_file():
            try:
                return pd.read_parquet(path)
            except (OSError, ValueError) as error:
                raise SteelDefectsError(f"cannot read {path}: {error}") from error
    return None


class CatalogFolder:
    """Writes results of one command where ``kedro run`` finds them, under one version."""

    def __init__(self, root: Path) -> None:
        """Name the data folder of an environment, such as ``data/cpu``, or a copy of it.

        Raises:
            SteelDefectsError: It holds versions that are later than this one.
        """
        self.root = root
        now = datetime.now(UTC)
        self.version = f"{now:%Y-%m-%dT%H.%M.%S}.{now.microsecond // 1000:03d}Z"
        files = root.glob("0*/*/*/*")
        newest = max((p.parent.name for p in files if p.name == p.parents[1].name), default="")
        if newest > self.version:
            raise SteelDefectsError(
                f"{root} holds version {newest}, which is later than this run ({self.version}): "
                "a clock is wrong; set it right, or delete that version"
            )

    def save_model(self, name: str, model: Any) -> Path:
        """Write a model, such as ``unet.segmenter``, and read it back to be sure."""
        from steel_defects.models.files import save_model

        return self._save("06_models", f"{name}.keras", lambda path: save_model(model, path))

    def save_json(self, layer: str, name: str, content: dict[str, Any]) -> Path:
        """Write a small record to a layer of the catalog."""
        text = json.dumps(content, indent=2) + "\n"
        return self._save(layer, f"{name}.json", lambda path: path.write_text(text, "utf-8"))

    def save_table(self, layer: str, name: str, table: pd.DataFrame) -> Path:
        """Write a table to a layer of the catalog, such as ``07_model_output``."""
        return self._save(
            layer, f"{name}.parquet", lambda path: table.to_parquet(path, index=False)
        )

    def _save(self, layer: str, file: str, write: Callable[[Path], object]) -> Path:
        path = self.root / layer / file / self.version / file
        # A version whose file is not there does not count.
        with replaced(path) as temporary:
            write(temporary)
        return path
