"""Tables that are put together from the finished parts of a job, in the catalog."""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from kedro_datasets.pandas import CSVDataset, ParquetDataset

from steel_defects.datasets.tables import Previewed
from steel_defects.errors import SteelDefectsError, disk_refusals
from steel_defects.files import replaced
from steel_defects.inspection.store.parts import JoinedTable

_ROWS_AT_ONCE = 50_000
_FORMULA = r"^([=+\-@\t\r])"
_REMEDY = "the table of before is kept, and the same command writes the new one"


class JoinedParquetDataset(Previewed, ParquetDataset):
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
        schema = _schema_of(data.empty)
        with (
            disk_refusals(path, _REMEDY),
            replaced(path) as temporary,
            pq.ParquetWriter(temporary, schema) as writer,
        ):
            for rows in _batches(data, schema):
                writer.write_table(rows)


def _schema_of(empty: pd.DataFrame) -> pa.Schema:
    """Return the types of columns; a column of lists, without rows, does not say that of text."""
    schema = pa.Table.from_pandas(empty, preserve_index=False).schema
    texts = pa.list_(pa.string())
    return pa.schema([f.with_type(texts) if pa.types.is_null(f.type) else f for f in schema])


def _batches(data: JoinedTable, schema: pa.Schema) -> Iterator[pa.Table]:
    waiting: list[pa.Table] = []
    for part, path in zip(data.parts, data, strict=True):
        rows = pq.read_table(path)
        if part in data.replaced:
            rows = rows.filter(~pc.field("sheet_id").isin(data.replaced[part]))
        waiting.append(rows.cast(schema))
        if sum(map(len, waiting)) >= _ROWS_AT_ONCE:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


class JoinedCSVDataset(CSVDataset):
    """Loads one table; saves the CSV files of parts by copying their lines."""

    def save(self, data: JoinedTable) -> None:
        """Write the lines of all parts under one header; the old file lives until then."""
        path = Path(self._filepath)
        with (
            disk_refusals(path, _REMEDY),
            replaced(path) as temporary,
            temporary.open("wb") as out,
        ):
            out.write(data.empty.to_csv(index=False, lineterminator="\n").encode())
            for part, file in zip(data.parts, data, strict=True):
                _copy_lines(file, out, data.replaced.get(part, ()))


class SpreadsheetDataset(CSVDataset):
    """Loads one table; saves several, one below the other, as a file that spreadsheets open.

    UTF-8 with the mark by which they know it, and no text that they would take for a formula.
    """

    def save(self, data: Iterable[pd.DataFrame]) -> None:
        """Write the tables under the heading of the first; the old file lives until then."""
        path = Path(self._filepath)
        with (
            disk_refusals(path, _REMEDY),
            replaced(path) as temporary,
            temporary.open("w", encoding="utf-8-sig", newline="") as out,
        ):
            for number, table in enumerate(data):
                _harmless(table).to_csv(out, index=False, header=not number, lineterminator="\r\n")


def _harmless(table: pd.DataFrame) -> pd.DataFrame:
    """Put an apostrophe before text that begins like a formula: names of files are anybody's."""
    texts = table.select_dtypes(["str", "object"])
    changes = {str(name): texts[name].str.replace(_FORMULA, r"'\1", regex=True) for name in texts}
    return table.assign(**changes)


def _copy_lines(file: Path, out: BinaryIO, without: Sequence[str]) -> None:
    """Copy the lines of a submission, but for its header and the rows of some sheets."""
    if without:
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
        rows = table[~table["ImageId_ClassId"].str.rpartition("_")[0].isin(without)]
        out.write(rows.to_csv(index=False, header=False, lineterminator="\n").encode())
        return
    with file.open("rb") as lines:
        lines.readline()
        shutil.copyfileobj(lines, out)
