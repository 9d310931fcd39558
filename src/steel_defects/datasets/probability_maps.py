"""Probability maps of many sheets in one memory-mapped file."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from kedro.io.core import AbstractDataset
from numpy.typing import NDArray

Maps = NDArray[np.uint8]


@dataclass(frozen=True)
class ProbabilityMaps(Mapping[str, Maps]):
    """Maps by sheet id, each of shape ``(rows, columns, classes)``, uint8, 255 for certain.

    Attributes:
        index: ``sheet_id, split, offset, rows, columns, classes``, one row a sheet.
        pixels: All maps in a row, usually memory-mapped.
    """

    index: pd.DataFrame
    pixels: Maps

    def __getitem__(self, sheet_id: str) -> Maps:
        row = self.index.loc[self.index["sheet_id"] == sheet_id]
        if row.empty:
            raise KeyError(sheet_id)
        first, *shape = (int(row.iloc[0][n]) for n in ("offset", "rows", "columns", "classes"))
        return self.pixels[first : first + int(np.prod(shape))].reshape(shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self.index["sheet_id"])

    def __len__(self) -> int:
        return len(self.index)


class ProbabilityMapsDataset(AbstractDataset[Iterable[tuple[str, str, Maps]], ProbabilityMaps]):
    """A folder with ``index.parquet`` and ``maps.bin``, written map by map as they are made."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        """Name the folder."""
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> ProbabilityMaps:
        """Map the file into memory; pages are read when they are looked at."""
        index = pd.read_parquet(self._filepath / "index.parquet")
        maps = self._filepath / "maps.bin"
        empty = maps.stat().st_size == 0
        values = np.zeros(0, np.uint8) if empty else np.memmap(maps, np.uint8, mode="r")
        return ProbabilityMaps(index, values)

    def save(self, data: Iterable[tuple[str, str, Maps]]) -> None:
        """Write ``(sheet_id, split, map)`` one after the other."""
        self._filepath.mkdir(parents=True, exist_ok=True)
        (self._filepath / "index.parquet").unlink(missing_ok=True)
        rows, offset = [], 0
        with (self._filepath / "maps.tmp").open("wb") as file:
            for sheet_id, split, values in data:
                file.write(np.ascontiguousarray(values).tobytes())
                rows.append((sheet_id, split, offset, *values.shape))
                offset += values.size
        (self._filepath / "maps.tmp").replace(self._filepath / "maps.bin")
        columns = ["sheet_id", "split", "offset", "rows", "columns", "classes"]
        # The index comes last: without it the folder does not count as there.
        beside = self._filepath / "index.tmp"
        pd.DataFrame(rows, columns=columns).to_parquet(beside)
        beside.replace(self._filepath / "index.parquet")

    def _exists(self) -> bool:
        return (self._filepath / "index.parquet").is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
