"""Files of PyTorch's old format are read without PyTorch, and nothing in them is run."""

import io
import pickle
from collections import OrderedDict

import numpy as np
import pytest

from steel_defects.errors import SteelDefectsError
from steel_defects.models.pytorch_file import read_tensors

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
SIZES = {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {}}


class Storage:
    """What a tensor refers to in the pickle: a storage by its key."""

    def __init__(self, kind, key):
        self.pid = ("storage", Global("torch", kind), key, "cpu", 0, None)


class Global:
    """A name that a pickle asks for."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Tensor:
    """A view of a storage."""

    def __init__(self, storage, offset, shape, strides):
        self.arguments = (storage, offset, shape, strides, False, OrderedDict())


class Writer(pickle._Pickler):
    """Writes pickles that refer to PyTorch, which is not there."""

    def persistent_id(self, value):
        return value.pid if isinstance(value, Storage) else None

    def save(self, value, save_persistent_id=True):
        if isinstance(value, Global):
            self.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())
        elif isinstance(value, Tensor):
            self.save(Global("torch._utils", "_rebuild_tensor_v2"))
            self.save(value.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(value, save_persistent_id)


def content(named, storages, magic=MAGIC, sizes=SIZES):
    """Return a file of such tensors and storages: by key, an array."""
    file = io.BytesIO()
    for part in (magic, PROTOCOL, sizes, OrderedDict(named), list(storages)):
        Writer(file, protocol=2).dump(part)
    for values in storages.values():
        file.write(len(values).to_bytes(8, "little") + values.tobytes())
    return file.getvalue()


def read(tmp_path, data):
    path = tmp_path / "weights.pth"
    path.write_bytes(data)
    return read_tensors(path)


VALUES = np.arange(24, dtype=np.float32)
FLOATS = Storage("FloatStorage", "7")


def test_strides_and_offsets_are_honoured(tmp_path):
    named = {"turned": Tensor(FLOATS, 0, (4, 6), (1, 4)), "part": Tensor(FLOATS, 5, (3,), (2,))}
    tensors = read(tmp_path, content(named, {"7": VALUES}))
    np.testing.assert_array_equal(tensors["turned"], VALUES.reshape(6, 4).T)
    np.testing.assert_array_equal(tensors["part"], [5, 7, 9])
    assert tensors["turned"].flags["C_CONTIGUOUS"]


def test_counts_are_whole_numbers_without_dimensions(tmp_path):
    counts = {"9": np.array([3], np.int64)}
    named = {"steps": Tensor(Storage("LongStorage", "9"), 0, (), ())}
    found = read(tmp_path, content(named, counts))["steps"]
    assert (found.shape, found.dtype, int(found)) == ((), np.int64, 3)


def named(*view):
    return {"weight": Tensor(FLOATS, *view)}


@pytest.mark.parametrize(
    "view",
    [
        (0, (25,), (1,)),
        (20, (6,), (1,)),
        (-1, (2,), (1,)),
        (4, (2,), (-1,)),
        (0, (4, 6), (6, 2)),
        (0, (1000, 1000, 1000), (0, 0, 0)),
        (0, (0,), (1,)),
        (0, (2, 2), (1,)),
        (0, (2.0,), (1,)),
    ],
)
def test_a_tensor_beyond_its_storage_is_refused(tmp_path, view):
    with pytest.raises(SteelDefectsError, match="does not hold tensors") as raised:
        read(tmp_path, content(named(*view), {"7": VALUES}))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("torch", "load"),
        ("numpy", "load"),
        ("pickle", "loads"),
    ],
)
def test_whatever_else_a_file_asks_for_is_refused_by_name(tmp_path, module, name):
    data = content({"weight": Global(module, name)}, {"7": VALUES})
    with pytest.raises(SteelDefectsError, match=f"asks for {module}.{name}"):
        read(tmp_path, data)


def test_nothing_in_a_file_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hostile = pickle.GLOBAL + b"os\nsystem\n" + pickle.UNICODE + b"touch hostile\n"
    hostile += pickle.TUPLE1 + pickle.REDUCE + pickle.STOP
    for data in (hostile, content({}, {})[:-1] + hostile):
        with pytest.raises(SteelDefectsError):
            read(tmp_path, data)
    assert not (tmp_path / "hostile").exists()


GOOD = content(named(0, (4, 6), (6, 1)), {"7": VALUES})


@pytest.mark.parametrize("length", [0, 1, 14, 60, len(GOOD) // 2, len(GOOD) - 1])
def test_a_file_that_was_cut_off_is_refused(tmp_path, length):
    with pytest.raises(SteelDefectsError, match="get the file anew"):
        read(tmp_path, GOOD[:length])


@pytest.mark.parametrize(
    "data",
    [
        content(named(0, (4,), (1,)), {"7": VALUES}, magic=1),
        content(named(0, (4,), (1,)), {"7": VALUES}, sizes={**SIZES, "little_endian": False}),
        content(named(0, (4,), (1,)), {"8": VALUES}),
        b"PK\x03\x04 a file of PyTorch's new format",
    ],
)
def test_another_format_is_refused(tmp_path, data):
    with pytest.raises(SteelDefectsError, match="does not hold tensors"):
        read(tmp_path, data)
