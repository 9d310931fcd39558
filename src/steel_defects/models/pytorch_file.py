"""Tensors out of PyTorch's old file format (before 1.6), without PyTorch, and without running it.

Such a file is four pickles (a number, a version, sizes of types, the names with their tensors), a
fifth with the keys of the storages, and then each storage: its count of values, and the values.
"""

import math
import pickle
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from steel_defects.errors import SteelDefectsError

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_TYPES: dict[str, np.dtype[Any]] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class NotTensors(ValueError):
    """The file asks for something other than tensors, or its parts don't fit each other."""


@dataclass(frozen=True)
class _View:
    """A tensor as the file describes it: values of a storage, ``strides`` counted in values."""

    key: str
    dtype: np.dtype[Any]
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def of(self, storage: NDArray[Any]) -> NDArray[Any]:
        """Return a copy in C order; strides are honoured, since most tensors here are turned."""
        reach = zip(self.shape, self.strides, strict=True)
        last = self.offset + sum((n - 1) * step for n, step in reach)
        within = 0 <= self.offset <= last < len(storage) and min(self.strides, default=0) >= 0
        # More values than the storage has would repeat some, without end in a hostile file.
        fits = min(self.shape, default=1) > 0 and math.prod(self.shape) <= len(storage)
        if not within or not fits or storage.dtype != self.dtype:
            raise NotTensors("a tensor reaches beyond its storage")
        steps = [step * storage.itemsize for step in self.strides]
        values = np.lib.stride_tricks.as_strided(storage[self.offset :], self.shape, steps)
        return values.copy("C")


class _TensorsOnly(pickle.Unpickler):
    """Builds names and views; whatever else a pickle asks for is refused before it is looked up."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _view
        if module == "torch" and name in _TYPES:
            return name
        raise NotTensors(f"it asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> tuple[str, np.dtype[Any]]:
        kind, name, key, *_ = pid
        if kind != "storage":
            raise NotTensors(f"it asks for a {kind}")
        return str(key), _TYPES[name]


def _view(
    storage: tuple[str, np.dtype[Any]],
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    *_: object,
) -> _View:
    whole = (offset, *shape, *strides)
    if not all(type(number) is int for number in whole) or len(shape) != len(strides):
        raise NotTensors("a tensor's shape is no list of whole numbers")
    return _View(*storage, offset, tuple(shape), tuple(strides))


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Read the tensors of a state dict by name, in the file's order: float32 or int64.

    Raises:
        SteelDefectsError: It is no such file, is damaged, or asks for more than tensors, none of
            which is run.
    """
    try:
        with path.open("rb") as file:
            return _read(file, path.stat().st_size)
    except Exception as error:  # a hostile pickle can raise anything
        reason = str(error).splitlines()[0] if isinstance(error, NotTensors) else "it is damaged"
        raise SteelDefectsError(
            f"{path} does not hold tensors in PyTorch's old format: {reason}; get the file anew"
        ) from error


def _read(file: BinaryIO, size: int) -> dict[str, NDArray[Any]]:
    head = [_TensorsOnly(file).load() for _ in range(2)]
    little_endian = _TensorsOnly(file).load()["little_endian"]
    if head != [_MAGIC, _PROTOCOL] or little_endian is not True:
        raise NotTensors("it is of another format")
    views: dict[str, _View] = dict(_TensorsOnly(file).load())
    dtypes = {view.key: view.dtype for view in views.values()}
    storages = {
        key: _storage(file, size, dtypes[key]) for key in map(str, _TensorsOnly(file).load())
    }
    return {str(name): view.of(storages[view.key]) for name, view in views.items()}


def _storage(file: BinaryIO, size: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    count = int.from_bytes(file.read(8), "little")
    length = math.prod((count, dtype.itemsize))
    if length > size - file.tell():
        raise NotTensors("it ends too early")
    return np.frombuffer(file.read(length), dtype)
