"""Probability maps of many sheets in one memory-mapped file."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.datasets.folder import FolderTarget, LocalDataset
from steel_defects.decision.postprocessing import SheetPrediction
from steel_defects.files import mapped_bytes, replaced

Maps = NDArray[np.uint8]
#: Sheet, split, what a segmenter says of the sheet, and which one: name and digest of its weights.
Predicted = tuple[str, str, SheetPrediction, str]


_COLUMNS = ("sheet_id", "split", "offset", "rows", "columns", "classes", "presence", "segmenter")


@dataclass(frozen=True)
class ProbabilityMaps(Mapping[str, Maps]):
    """Maps by sheet id, each of shape ``(rows, columns, classes)``, uint8, 255 for certain.

    Attributes:
        index: ``sheet_id, split, offset, rows, columns, classes, presence`` (a list, one number per
            class) and ``segmenter``, one row per sheet.
        pixels: All maps in a row, usually memory-mapped.
    """

    index: pd.DataFrame
    pixels: Maps

    def __getitem__(self, sheet_id: str) -> Maps:
        row = self._row(sheet_id)
        first, *shape = (int(row[n]) for n in ("offset", "rows", "columns", "classes"))
        return self.pixels[first : first + int(np.prod(shape))].reshape(shape)

    @property
    def attrs(self) -> dict[str, Any]:
        """Which segmenter the maps are of; see :mod:`steel_defects.models.trained`."""
        segmenters = list(self.index.get("segmenter", ()))
        return {"models": {"segmenter": segmenters[0]}} if segmenters else {}

    def prediction_of(self, sheet_id: str) -> SheetPrediction:
        """Return the maps of a sheet with the presence of each class."""
        presence = np.asarray(self._row(sheet_id)["presence"], np.float32)
        return SheetPrediction(self[sheet_id], presence)

    def _row(self, sheet_id: str) -> pd.Series:
        row = self.index.loc[self.index["sheet_id"] == sheet_id]
        if row.empty:
            raise KeyError(sheet_id)
        return row.iloc[0]

    def __iter__(self) -> Iterator[str]:
        return iter(self.index["sheet_id"])

    def __len__(self) -> int:
        return len(self.index)


class ProbabilityMapsDataset(FolderTarget, LocalDataset[Iterable[Predicted], ProbabilityMaps]):
    """A folder with ``index.parquet`` and ``maps.bin``, written map by map as they are made."""

    def load(self) -> ProbabilityMaps:
        """Map the file into memory; pages are read when they are looked at."""
        index = pd.read_parquet(self._filepath / "index.parquet")
        return ProbabilityMaps(index, mapped_bytes(self._filepath / "maps.bin"))

    def save(self, data: Iterable[Predicted]) -> None:
        """Write what was predicted of each sheet, one after the other."""
        index = self._filepath / "index.parquet"
        index.unlink(missing_ok=True)
        rows, offset = [], 0
        with replaced(self._filepath / "maps.bin") as temporary, temporary.open("wb") as file:
            for sheet_id, split, prediction, segmenter in data:
                maps, presence = prediction.maps, prediction.presence.tolist()
                file.write(np.ascontiguousarray(maps).data)
                rows.append((sheet_id, split, offset, *maps.shape, presence, segmenter))
                offset += maps.size
        # The index comes last: without it the folder does not count as there.
        with replaced(index) as temporary:
            pd.DataFrame(rows, columns=_COLUMNS).to_parquet(temporary)

    def _exists(self) -> bool:
        return (self._filepath / "index.parquet").is_file()
