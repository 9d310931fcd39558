"""Sheets told by a short digest of their files, whatever they are called."""

import pandas as pd

#: Of the 64 digits of a SHA-256: that any two of a million sheets share so many has a chance of
#: 3 in 10⁸.
DIGITS = 16


def short_digests(sha256: pd.Series) -> pd.Series:
    """Return the first hexadecimal digits of each SHA-256, as the table ``sheets`` holds it."""
    return sha256.str[:DIGITS]
