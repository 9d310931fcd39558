"""What a column and a table are: types, ranges, units and titles, and what follows from them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

# Trainings read tables where pandera is not installed, so that it is imported with the first check.
if TYPE_CHECKING:
    import pandera.pandas as pa


@dataclass(frozen=True)
class Column:
    """What a column holds.

    Attributes:
        dtype: ``str``, ``int64``, ``float64``, ``bool``, ``object`` (lists of whole numbers, or
            bytes) or a timestamp.
        low: Least value; of text the least length, of lists the least number in them.
        high: Greatest value; of text the greatest length.
        values: The values that may occur; empty for any.
        unit: Unit in words; empty for none.
        title: Heading in reports; empty where the name says it.
        format: How reports print it: ``percent``, ``whole``, ``tenths``, ``duration``; empty for
            decimals.
        nullable: Values may be missing.
    """

    dtype: str
    low: float | None = None
    high: float | None = None
    values: tuple[str, ...] = ()
    unit: str = ""
    title: str = ""
    format: str = ""
    nullable: bool = False

    @property
    def stored_dtype(self) -> str:
        """The type in pandas: integers that may be missing have one of their own."""
        return "Int64" if self.nullable and self.dtype == "int64" else self.dtype

    def schema(self, unique: bool = False) -> "pa.Column":
        """Return the column for pandera; ``unique`` where no two rows may share a value."""
        import pandera.pandas as pa

        # Pandera's own word for text depends on what pandas stores it in.
        dtype = {"str": str}.get(self.dtype, self.stored_dtype)
        return pa.Column(dtype, self._checks(), nullable=self.nullable, unique=unique)

    def _checks(self) -> "list[pa.Check]":
        import pandera.pandas as pa

        low, high = self.low, self.high
        if self.values:
            error = f"must be one of {', '.join(self.values)}"
            return [pa.Check.isin(self.values, error=error)]
        if self.dtype == "str" and low is not None:
            error = f"must have {high} digits" if high else "must not be empty"
            return [pa.Check.str_length(low, high, error=error)]
        if self.dtype == "object" and low is not None:
            error = f"must hold numbers from {low} on"
            least: float = low
            return [
                pa.Check(
                    lambda cell: all(value >= least for value in cell),
                    element_wise=True,
                    error=error,
                )
            ]
        checks = []
        if low is not None:
            checks.append(pa.Check.ge(low, error=f"must be at least {low}"))
        if high is not None:
            checks.append(pa.Check.le(high, error=f"must be at most {high}"))
        return checks


@dataclass(frozen=True, eq=False)
class Table:
    """A table, as it is checked, made and described.

    Attributes:
        about: What a row is.
        columns: By name, in order.
        unique: Names of the columns that tell rows apart; empty where rows may be equal.
        further: Other columns may stand in it.
        from_csv: Types are restored on loading: a CSV file without rows does not say them.
        rule: Of the table as a whole, and what is wrong where it returns False.
    """

    about: str
    columns: Mapping[str, Column]
    unique: tuple[str, ...] = ()
    further: bool = False
    from_csv: bool = False
    rule: tuple[Callable[[pd.DataFrame], bool], str] | None = None

    @cached_property
    def types(self) -> dict[str, str]:
        """The type of each column in pandas."""
        return {name: column.stored_dtype for name, column in self.columns.items()}

    @cached_property
    def schema(self) -> "pa.DataFrameSchema":
        """What pandera checks the table by."""
        import pandera.pandas as pa

        key = self.unique if len(self.unique) == 1 else ()
        return pa.DataFrameSchema(
            {name: column.schema(unique=name in key) for name, column in self.columns.items()},
            checks=pa.Check(self.rule[0], error=self.rule[1]) if self.rule else None,
            strict=not self.further,
            ordered=not self.further,
            unique=list(self.unique) if len(self.unique) > 1 else None,
            coerce=self.from_csv,
        )

    def typed(self, rows: pd.DataFrame | Iterable[Any]) -> pd.DataFrame:
        """Return rows with just these columns, in their order and with their types.

        Args:
            rows: A table that has the columns, or rows as tuples or dictionaries.
        """
        if not isinstance(rows, pd.DataFrame):
            rows = pd.DataFrame(list(rows), columns=list(self.columns))
        return rows[list(self.columns)].astype(self.types)

    def empty(self) -> pd.DataFrame:
        """Return the table without rows."""
        return self.typed([])
