"""Columns, types and ranges of the tables that people rely on.

``steel_defects.tables.NAME`` is the pandera schema of a table, which the catalog names as its
dataset's ``validator``; the tables themselves stand in :mod:`steel_defects.tables.declared`. The
number of classes is a parameter, so class ids are only held to be positive here;
:func:`steel_defects.labels.severstal.check_annotations` knows the range.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandera.pandas as pa


def __getattr__(name: str) -> "pa.DataFrameSchema":
    tables = vars(import_module("steel_defects.tables.declared"))
    if name.upper() not in tables:
        raise AttributeError(f"module {__name__} has no table {name}")
    schema: pa.DataFrameSchema = tables[name.upper()].schema
    return schema
