"""Choosing the arithmetic that a network trains in."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras

from steel_defects.training.config import Precision


def resolve_precision(precision: Precision) -> str:
    """Return the Keras dtype policy for a setting.

    ``auto`` takes bfloat16 on processors that multiply matrices in it (AMX) and on accelerators,
    and float32 elsewhere, where bfloat16 would be emulated.
    """
    if precision != "auto":
        return precision
    return "mixed_bfloat16" if _has_accelerator() or _has_amx() else "float32"


@contextmanager
def dtype_policy(policy: str) -> Iterator[None]:
    """Build layers under a dtype policy, and put the earlier one back."""
    earlier = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(earlier)


def _has_accelerator() -> bool:
    return any(not device.startswith("cpu") for device in keras.distribution.list_devices())


def _has_amx() -> bool:
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.is_file() and "amx_bf16" in cpuinfo.read_text()
