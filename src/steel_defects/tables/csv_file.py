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
    """Read a table from a whole file or an open one, in UTF-8.

    The header is the first line that is not empty. Whichever of comma, semicolon and tab is most
    frequent in it separates the cells. Cells may stand in double quotes, lines may end in any way,
    empty lines do not count, and a byte order mark is dropped.

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
    """Read a file's table whose cells are separated by commas; all are text, empty ones ``""``.

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
    """Read a table row by row, as :func:`parse_csv`; no more than one row is in memory.

    ``strict`` refuses quotes that are not closed, and text after a closing quote.

    Yields:
        The number of each line that is not empty, from 1, and its cells.

    Raises:
        SteelDefectsError: See :func:`parse_csv`.
    """
    if file.read(4).startswith(_UTF_16_AND_32):
        raise SteelDefectsError("the file is UTF-16 or UTF-32; save it as CSV in UTF-8")
    file.seek(0)
    number = row_length = 0

    def lines() -> Iterator[str]:
        nonlocal number, row_length
        # What is no UTF-8 is let in, so that its line can be named.
        text = io.TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline="")
        while line := text.readline(LONGEST_ROW + 1):
            number, row_length = number + 1, row_length + len(line)
            _check_line(line, number, row_length)
            yield line

    rest = lines()
    first = next((line for line in rest if line.strip("\r\n ")), "")
    # Not pandas, which fills up short rows and makes an index of a surplus column.
    separator = max(_SEPARATORS, key=first.count)
    reader = csv.reader(chain([first], rest), delimiter=separator, strict=strict)
    # The longest cell allowed is 131,072 characters, and a mask may be longer.
    limit = csv.field_size_limit(max(LONGEST_ROW, csv.field_size_limit()))
    try:
        for cells in reader:
            row_length = 0
            if len(cells) > MOST_COLUMNS:
                raise SteelDefectsError(
                    f"line {number} has {len(cells):,} cells; at most {MOST_COLUMNS:,} columns are "
                    "read, so leave out those that are not needed"
                )
            if len(cells) > 1 or "".join(cells).strip():
                yield number, cells
    except csv.Error as error:
        raise SteelDefectsError(f"line {number} is not CSV: {error}") from error
    finally:
        csv.field_size_limit(limit)


def _check_line(line: str, number: int, row_length: int) -> None:
    if "\0" in line:
        raise SteelDefectsError("the file is not text; save it as CSV in UTF-8")
    try:
        if not line.isascii():
            line.encode()
    except UnicodeEncodeError:
        text = f"line {number} is not text in UTF-8; save the file as CSV in UTF-8"
        raise SteelDefectsError(text) from None
    if row_length > LONGEST_ROW:
        raise SteelDefectsError(
            f"line {number} belongs to a row of more than {LONGEST_ROW:,} characters, the most "
            "that are read; check quotes and line ends"
        )
