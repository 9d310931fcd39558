"""Tables of text from CSV files, as spreadsheets and scripts write them."""

import csv
import io
from collections import deque
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import pandas as pd

from steel_defects.errors import SteelDefectsError

#: The longest row that is read, in characters. The worst mask of a 1600×256 sheet, every other
#: pixel, takes 2 million as run lengths.
LONGEST_ROW = 16 * 2**20
#: The most columns that are read. A table of masks has 3, an export of process data some hundred.
MOST_COLUMNS = 1000

_SEPARATORS = ",;\t"
# What a file begins with that a spreadsheet saved as "Unicode text".
_UTF_16_AND_32 = (b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")


def parse_csv(data: bytes | BinaryIO) -> pd.DataFrame:
    """Read a table.

    The header is the first line that is not empty. Whichever of comma, semicolon and tab is most
    frequent in it separates the cells. Cells may stand in double quotes, lines may end in any way,
    empty lines do not count, and a byte order mark is dropped.

    Args:
        data: The whole file or an open one, in UTF-8.

    Returns:
        All cells as text, unchanged, empty ones as ``""``; the index counts the rows from 0.
        Columns may share a name.

    Raises:
        SteelDefectsError: The file is empty, not text in UTF-8, its rows are not as long as its
            header, or one is longer than :data:`LONGEST_ROW` or :data:`MOST_COLUMNS`.
    """
    rows = read_rows(io.BytesIO(data) if isinstance(data, bytes) else data)
    _, header = next(rows, (0, []))
    if not header:
        raise SteelDefectsError("the file is empty; one without rows has a header")
    table = []
    for number, cells in rows:
        if len(cells) != len(header):
            raise SteelDefectsError(
                f"line {number} has {len(cells)} cells, the header has {len(header)}"
            )
        table.append(cells)
    return pd.DataFrame(table, columns=header, dtype="str")


def read_plain_table(path: Path, data: bytes) -> pd.DataFrame:
    """Read a table whose cells are separated by commas; all are text, empty ones ``""``.

    Args:
        path: The file, for messages.
        data: What is in it.

    Raises:
        SteelDefectsError: It is not CSV in UTF-8, its rows have more cells than its header, or one
            is too long to read.
    """
    try:
        # pandas takes minutes and gigabytes for rows that this refuses.
        deque(read_rows(io.BytesIO(data), strict=False), maxlen=0)
        table = pd.read_csv(io.BytesIO(data), dtype=str, keep_default_na=False)
    except (ValueError, SteelDefectsError) as error:
        raise SteelDefectsError(f"{path} can't be read as CSV in UTF-8: {error}") from error
    # pandas takes the first cells of such rows for names of rows, and moves all others along.
    if not isinstance(table.index, pd.RangeIndex):
        raise SteelDefectsError(f"{path} has rows with more cells than its header")
    return table


def read_rows(file: BinaryIO, strict: bool = True) -> Iterator[tuple[int, list[str]]]:
    """Read a table row by row; at no time is more than one row in memory.

    Args:
        file: As in :func:`parse_csv`, from its beginning.
        strict: Refuse quotes that are not closed, and text after a closing quote.

    Yields:
        The number of each line that is not empty, from 1, and its cells.

    Raises:
        SteelDefectsError: See :func:`parse_csv`.
    """
    lines = _Lines(file)
    first = next((line for line in lines if line.strip("\r\n ")), "")
    # Not pandas, which fills up short rows and makes an index of a surplus column.
    reader = csv.reader(
        chain([first], lines), delimiter=max(_SEPARATORS, key=first.count), strict=strict
    )
    # The longest cell allowed is 131,072 characters, and a mask may be longer.
    limit = csv.field_size_limit(max(LONGEST_ROW, csv.field_size_limit()))
    try:
        for cells in reader:
            lines.row_length = 0
            if len(cells) > MOST_COLUMNS:
                raise SteelDefectsError(
                    f"line {lines.number} has {len(cells):,} cells; at most {MOST_COLUMNS:,} "
                    "columns are read, so leave out those that are not needed"
                )
            if len(cells) > 1 or "".join(cells).strip():
                yield lines.number, cells
    except csv.Error as error:
        raise SteelDefectsError(f"line {lines.number} is not CSV: {error}") from error
    finally:
        csv.field_size_limit(limit)


class _Lines:
    """The lines of a text file, for as long as they are text and their row is not too long."""

    def __init__(self, file: BinaryIO) -> None:
        if file.read(4).startswith(_UTF_16_AND_32):
            raise SteelDefectsError("the file is UTF-16 or UTF-32; save it as CSV in UTF-8")
        file.seek(0)
        # What is no UTF-8 is let in, so that its line can be named.
        self._text = io.TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline="")
        self.number = 0
        self.row_length = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._text.readline(LONGEST_ROW + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self.row_length += len(line)
        if "\0" in line:
            raise SteelDefectsError("the file is not text; save it as CSV in UTF-8")
        if not _is_utf_8(line):
            raise SteelDefectsError(
                f"line {self.number} is not text in UTF-8; save the file as CSV in UTF-8"
            )
        if self.row_length > LONGEST_ROW:
            raise SteelDefectsError(
                f"line {self.number} belongs to a row of more than {LONGEST_ROW:,} characters, "
                "the most that are read; check quotes and line ends"
            )
        return line


def _is_utf_8(line: str) -> bool:
    try:
        return line.isascii() or bool(line.encode())
    except UnicodeEncodeError:
        return False
