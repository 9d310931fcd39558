"""Tables of text from the bytes of a CSV file, as spreadsheets and scripts write them."""

import csv
import io

import pandas as pd

from steel_defects.errors import SteelDefectsError

_SEPARATORS = ",;\t"
# What a file begins with that a spreadsheet saved as "Unicode text".
_UTF_16_AND_32 = (b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")


def parse_csv(data: bytes) -> pd.DataFrame:
    """Read a table.

    The header is the first line that is not empty. Whichever of comma, semicolon and tab is most
    frequent in it separates the cells. Cells may stand in double quotes, lines may end in any way,
    empty lines do not count, and a byte order mark is dropped.

    Args:
        data: The whole file, in UTF-8.

    Returns:
        All cells as text, unchanged, empty ones as ``""``; the index counts the rows from 0.
        Columns may share a name.

    Raises:
        SteelDefectsError: The file is empty, not text in UTF-8, or its rows are not as long as its
            header.
    """
    lines = _lines(_decode(data))
    if not lines:
        raise SteelDefectsError("the file is empty; one without rows has a header")
    (_, header), *rows = lines
    for number, cells in rows:
        if len(cells) != len(header):
            raise SteelDefectsError(
                f"line {number} has {len(cells)} cells, the header has {len(header)}"
            )
    return pd.DataFrame([cells for _, cells in rows], columns=header, dtype="str")


def _decode(data: bytes) -> str:
    if data.startswith(_UTF_16_AND_32):
        raise SteelDefectsError("the file is UTF-16 or UTF-32; save it as CSV in UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SteelDefectsError(
            f"line {line} is not text in UTF-8; save the file as CSV in UTF-8"
        ) from error
    if "\0" in text:
        raise SteelDefectsError("the file is not text; save it as CSV in UTF-8")
    return text


def _lines(text: str) -> list[tuple[int, list[str]]]:
    """Return the number of each line that is not empty, from 1, and its cells."""
    first = text.lstrip("\r\n ").split("\n", 1)[0].split("\r", 1)[0]
    separator = max(_SEPARATORS, key=first.count)
    # The longest cell allowed is 131,072 characters, and a mask may be longer.
    limit = csv.field_size_limit(max(len(text), csv.field_size_limit()))
    # Not pandas, which fills up short rows and makes an index of a surplus column.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        lines = [(reader.line_num, cells) for cells in reader]
    except csv.Error as error:
        raise SteelDefectsError(f"line {reader.line_num} is not CSV: {error}") from error
    finally:
        csv.field_size_limit(limit)
    return [(number, cells) for number, cells in lines if len(cells) > 1 or "".join(cells).strip()]
