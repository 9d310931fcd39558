"""Choosing the arithmetic that a network trains in."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras

from steel_defects.training.config import Precision


def resolve_precision(precision: Precision) -> str:
    """Return the Keras dtype policy for a setting.

    ``auto`` takes bfloat16 on accelerators and on processors that multiply in it (AMX or AVX-512),
    and float32 elsewhere, where bfloat16 would be emulated.
    """
    if precision != "auto":
        return precision
    return "mixed_bfloat16" if _has_accelerator() or _multiplies_bfloat16() else "float32"


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


def _multiplies_bfloat16() -> bool:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.is_file():
        return False
    text = cpuinfo.read_text()
    return "amx_bf16" in text or "avx512_bf16" in text
