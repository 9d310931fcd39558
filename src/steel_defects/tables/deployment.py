"""Tables of deployment."""

import pandera.pandas as pa

from steel_defects.tables.columns import count, identifiers, number, table

_CELL = {"network": identifiers(), "runtime": identifiers(), "precision": identifiers()}
_KEYS = list(_CELL)

#: One row a network, runtime and precision: how close it is to the trained network.
export_parity = table(
    {
        **_CELL,
        "sheets": count(),
        "max_difference": number(nullable=True),
        "tolerance": number(nullable=True),
        "changed_verdicts": count(),
        "dice_change": number(-1, 1, nullable=True),
        "passed": pa.Column(bool),
        "reason": pa.Column(str),
    },
    unique=_KEYS,
    csv=True,
)

#: One row a network, runtime and precision: how fast it is.
latency = table(
    {
        **_CELL,
        "ms_p50": number(nullable=True),
        "ms_p90": number(nullable=True),
        "ms_p99": number(nullable=True),
        "sheets_per_second": number(nullable=True),
        "streaming_sheets_per_second": number(nullable=True),
        "file_mb": number(nullable=True),
        "peak_memory_mb": number(nullable=True),
        "reason": pa.Column(str),
    },
    unique=_KEYS,
    csv=True,
)
