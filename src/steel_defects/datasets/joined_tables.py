"""Tables that are put together from the finished parts of a job, in the catalog."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from kedro_datasets.pandas import CSVDataset, ParquetDataset

from steel_defects.errors import SteelDefectsError
from steel_defects.files import replaced
from steel_defects.inspection.parts import JoinedTable

_ROWS_AT_ONCE = 50_000


class JoinedParquetDataset(ParquetDataset):
    """Loads one table; saves the Parquet files of parts, some ten thousand rows at a time."""

    def save(self, data: JoinedTable) -> None:
        """Write the rows of all parts; the old file lives until the new one is whole.

        Raises:
            SteelDefectsError: There are no parts, and the old file has rows.
        """
        path = Path(self._filepath)
        if not data.parts and path.is_file() and (rows := pq.read_metadata(path).num_rows):
            raise SteelDefectsError(
                f"no sheet was inspected, so {path} is left as it is, with {rows} rows; delete it "
                "for an empty table"
            )
        schema = pa.Table.from_pandas(data.empty, preserve_index=False).schema
        with (
            replaced(path) as temporary,
            pq.ParquetWriter(temporary, schema) as writer,
        ):
            for rows in _batches(data):
                writer.write_table(rows.cast(schema))


def _batches(data: JoinedTable) -> Iterator[pa.Table]:
    waiting: list[pa.Table] = []
    for part, path in zip(data.parts, data, strict=True):
        rows = pq.read_table(path)
        if part in data.replaced:
            rows = rows.filter(~pc.field("sheet_id").isin(data.replaced[part]))
        waiting.append(rows)
        if sum(len(rows) for rows in waiting) >= _ROWS_AT_ONCE:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


class JoinedCSVDataset(CSVDataset):
    """Loads one table; saves the CSV files of parts by copying their lines."""

    def save(self, data: JoinedTable) -> None:
        """Write the lines of all parts under one header; the old file lives until then."""
        with replaced(Path(self._filepath)) as temporary, temporary.open("wb") as out:
            out.write(_header(data.empty))
            for part, file in zip(data.parts, data, strict=True):
                if part in data.replaced:
                    out.write(_lines_without(file, data.replaced[part]))
                    continue
                with file.open("rb") as lines:
                    lines.readline()
                    shutil.copyfileobj(lines, out)


def _lines_without(path: Path, sheet_ids: Sequence[str]) -> bytes:
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    replaced = table["ImageId_ClassId"].str.rpartition("_")[0].isin(sheet_ids)
    return str(table[~replaced].to_csv(index=False, header=False, lineterminator="\n")).encode()


def _header(table: pd.DataFrame) -> bytes:
    return str(table.to_csv(index=False, lineterminator="\n")).encode()
