"""What schemas are made of."""

import pandera.pandas as pa

#: Columns that differ between two runs of the same seed.
TIME_COLUMNS = ("ms_per_sheet", "ms_per_sheet_p50", "ms_per_sheet_p90", "training_seconds")
SPLITS = ("train", "validation", "calibration", "test")


def identifiers(unique: bool = False) -> pa.Column:
    """A column of names, none of them empty."""
    check = pa.Check.str_length(min_value=1, error="must not be empty")
    return pa.Column(str, check, unique=unique)


def count(minimum: int = 0, nullable: bool = False) -> pa.Column:
    """A column of whole numbers from ``minimum`` on."""
    check = pa.Check.ge(minimum, error=f"must be at least {minimum}")
    return pa.Column("Int64" if nullable else int, check, nullable=nullable)


def number(low: float | None = 0, high: float | None = None, nullable: bool = False) -> pa.Column:
    """A column of numbers from ``low`` to ``high``; None for no limit."""
    checks = [pa.Check.ge(low, error=f"must be at least {low}")] if low is not None else []
    if high is not None:
        checks.append(pa.Check.le(high, error=f"must be at most {high}"))
    return pa.Column(float, checks, nullable=nullable)


def digest(nullable: bool = False, unique: bool = False) -> pa.Column:
    """A column of SHA-256 digests in hexadecimal digits."""
    check = pa.Check.str_length(64, 64, error="must have 64 digits")
    return pa.Column(str, check, nullable=nullable, unique=unique)


def one_of(values: tuple[str, ...]) -> pa.Column:
    """A column of which each value is one of these."""
    return pa.Column(str, pa.Check.isin(values, error=f"must be one of {', '.join(values)}"))


def lists(minimum: int) -> pa.Column:
    """A column of lists of whole numbers."""
    check = pa.Check(
        lambda cell: all(value >= minimum for value in cell),
        element_wise=True,
        error=f"must hold numbers from {minimum} on",
    )
    return pa.Column(object, check)


def table(
    columns: dict[str, pa.Column], unique: list[str] | None = None, csv: bool = False
) -> pa.DataFrameSchema:
    """A table of just these columns, in this order; ``unique`` names those that tell rows apart."""
    # A CSV file without rows does not say what its columns hold.
    return pa.DataFrameSchema(columns, strict=True, ordered=True, unique=unique, coerce=csv)


def comparison(unique: list[str], columns: dict[str, pa.Column]) -> pa.DataFrameSchema:
    """A table that sets models side by side; further columns may stand in it."""
    return pa.DataFrameSchema(columns, unique=unique, coerce=True)


def rate() -> pa.Column:
    """A share; missing where there are no sheets of the kind that it is a share of."""
    return number(0, 1, nullable=True)
