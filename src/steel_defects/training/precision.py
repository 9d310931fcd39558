"""Choosing the arithmetic that a network trains in."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras

from steel_defects.training.config import Precision


def resolve_precision(precision: Precision, plain_convolutions: bool) -> str:
    """Return the Keras dtype policy for a setting.

    ``auto`` takes bfloat16 on accelerators. A processor that multiplies in it (AMX or AVX-512)
    gains from it in plain convolutions; depthwise ones and chains of many small layers get slower,
    and elsewhere bfloat16 is emulated: there it takes float32.

    Args:
        precision: The setting.
        plain_convolutions: Whether the network spends its time in a few large convolutions.
    """
    if precision != "auto":
        return precision
    faster = _has_accelerator() or (plain_convolutions and _multiplies_bfloat16())
    return "mixed_bfloat16" if faster else "float32"


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
    text = cpuinfo.read_text(encoding="utf-8")
    return "amx_bf16" in text or "avx512_bf16" in text
