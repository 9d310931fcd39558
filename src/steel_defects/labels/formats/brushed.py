"""What is brushed in Label Studio: runs of the values of a picture, packed into bits.

Source of the packing: github.com/thi-ng/umbrella, ``packages/rle-pack``. The head holds how many
values there are, their bits, and four sizes that the length of a run may have. Then each run says
whether it repeats one value, which of the sizes its length has, the length, and its values.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from steel_defects.errors import SteelDefectsError
from steel_defects.labels.shapes import Mask, Size

_LARGEST = 1 << 28  # bytes of a mask that was brushed
_CHANNELS = 4
_BITS = 8  # of a value
_LENGTH_BITS = (3, 4, 8, 16)


def pack(mask: Mask) -> list[int]:
    """Pack a mask of shape ``(height, width)``, uint8, 0 or 1, as bytes from 0 to 255."""
    head = [(mask.size * _CHANNELS, 32), (_BITS - 1, 5), *((size - 1, 4) for size in _LENGTH_BITS)]
    bits = "".join(f"{value:0{size}b}" for value, size in head) + "".join(_runs(mask))
    values = np.array([*map(int, bits)], np.uint8)
    return [int(one) for one in np.packbits(values)]


def _runs(mask: Mask) -> Iterator[str]:
    flat = mask.reshape(-1)
    starts = np.flatnonzero(np.diff(flat, prepend=flat[:1] ^ 1))
    lengths = np.diff(starts, append=flat.size) * _CHANNELS
    longest = 1 << _LENGTH_BITS[-1]
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        whole, rest = divmod(length, longest)
        for part in [longest] * whole + [rest] * bool(rest):
            kind = next(k for k, size in enumerate(_LENGTH_BITS) if part <= 1 << size)
            value = 255 * int(flat[start])
            yield f"1{kind:02b}{part - 1:0{_LENGTH_BITS[kind]}b}{value:0{_BITS}b}"


def unpack(packed: Sequence[int], size: Size, where: str) -> Mask:
    """Unpack what was brushed: the last of four channels of a picture of this height and width.

    Raises:
        SteelDefectsError: The bits are no such picture.
    """
    values = _unpacked(np.unpackbits(np.array(packed, np.uint8)).tolist(), where)
    if values.size != size[0] * size[1] * _CHANNELS:
        raise SteelDefectsError(f"{where}: what was brushed does not fill the picture")
    return (values.reshape(*size, _CHANNELS)[..., 3] > 0).astype(np.uint8)


def _unpacked(bits: list[int], where: str) -> np.ndarray:
    at = 0

    def number(count: int) -> int:
        nonlocal at
        if at + count > len(bits):
            raise SteelDefectsError(f"{where}: what was brushed is cut short")
        value = int("".join(map(str, bits[at : at + count])), 2)
        at += count
        return value

    total, width = number(32), number(5) + 1
    sizes = [number(4) + 1 for _ in range(4)]
    if total > _LARGEST or width > 8:
        raise SteelDefectsError(f"{where}: what was brushed is no picture")
    values = np.zeros(total, np.uint8)
    done = 0
    while done < total:
        repeated = number(1)
        length = number(sizes[number(2)]) + 1
        if done + length > total:
            raise SteelDefectsError(f"{where}: what was brushed is longer than it says")
        if repeated:
            values[done : done + length] = number(width)
        else:
            values[done : done + length] = [number(width) for _ in range(length)]
        done += length
    return values
