import subprocess
import sys
import time

import numpy as np
import pytest

from steel_defects.threads import map_in_order
from steel_defects.training.config import SegmentationConfig
from steel_defects.training.loader import Channels, Loader, Memory


def read(index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    time.sleep(0.002 * (index % 3))  # so that threads finish out of order
    return {"index": np.float32(index), "chance": np.float32(rng.random())}


def batches(epoch: int, threads: int = 2, count: int = 11) -> list[dict[str, np.ndarray]]:
    def choose(rng: np.random.Generator) -> list[int]:
        return rng.permutation(count).tolist()

    return list(Loader(read, choose, 4, seed=5, threads=threads).epoch(epoch))


def joined(found: list[dict[str, np.ndarray]], key: str) -> list[float]:
    return np.concatenate([batch[key] for batch in found]).tolist()


def test_batches_do_not_depend_on_threads():
    for threads in (2, 5):
        for key in ("index", "chance"):
            assert joined(batches(3, threads=1), key) == joined(batches(3, threads), key)


def test_epochs_differ_in_order_and_chance():
    assert joined(batches(0), "index") != joined(batches(1), "index")
    assert joined(batches(0), "chance") != joined(batches(1), "chance")


def test_last_batch_is_filled_from_the_first_examples():
    found = batches(0)
    assert [len(batch["index"]) for batch in found] == [4, 4, 4]
    indices = joined(found, "index")
    assert sorted(indices[:11]) == list(range(11))
    assert indices[11] == indices[0]


def test_fewer_examples_than_a_batch():
    (batch,) = batches(0, count=3)
    assert len(batch["index"]) == 4
    assert set(batch["index"].tolist()) == {0.0, 1.0, 2.0}


def test_chance_differs_within_an_epoch():
    chances = joined(batches(0), "chance")
    assert len(set(chances)) == len(chances)


def test_map_in_order_keeps_the_order():
    def slow(index: int) -> int:
        time.sleep(0.001 * (index % 4))
        return index

    assert list(map_in_order(slow, range(30), threads=5)) == list(range(30))


def test_an_error_in_a_thread_reaches_the_caller():
    def broken(index: int) -> int:
        if index == 3:
            raise OSError("disk gone")
        return index

    with pytest.raises(OSError, match="disk gone"):
        list(map_in_order(broken, range(8), threads=2))


# === Several examples a read, and how batches are put together ===


def read_three(item: str, rng: np.random.Generator) -> list[dict[str, np.ndarray]]:
    time.sleep(0.002 * (ord(item) % 3))
    return [{"item": np.array([ord(item), k]), "chance": rng.random(1)} for k in range(3)]


def batches_of_three(threads: int, batch_size: int = 4) -> list[dict[str, np.ndarray]]:
    loader = Loader(
        read_three, lambda _: list("abcde"), batch_size, seed=5, threads=threads, per_read=3
    )
    return list(loader.epoch(1))


@pytest.mark.parametrize("batch_size", [1, 4, 7, 40])
def test_several_examples_a_read_stay_together(batch_size: int):
    found = np.concatenate([batch["item"] for batch in batches_of_three(2, batch_size)])
    assert len(found) == -(-15 // batch_size) * batch_size
    expected = [[ord(item), k] for item in "abcde" * 3 for k in range(3)]
    assert found.tolist() == expected[: len(found)]


@pytest.mark.parametrize("batch_size", [4, 20])
def test_batches_of_several_a_read_do_not_depend_on_threads(batch_size: int):
    first, *others = (batches_of_three(threads, batch_size) for threads in (1, 2, 5))
    for other in others:
        for key in ("item", "chance"):
            assert [b[key].tolist() for b in first] == [b[key].tolist() for b in other]


def test_channels_are_written_beside_zeros():
    plane = np.arange(6, dtype=np.uint8).reshape(2, 3)

    def read(index: int, rng: np.random.Generator) -> dict[str, Channels]:
        return {"mask": Channels((2, 3, 4), {index: plane} if index < 4 else {})}

    for _ in range(3):  # memory that comes back has to be cleared
        (batch,) = Loader(read, lambda _: [1, 3, 9], 3, seed=1).epoch(0)
        expected = np.zeros((3, 2, 3, 4), np.uint8)
        expected[0, ..., 1] = expected[1, ..., 3] = plane
        np.testing.assert_array_equal(batch["mask"], expected)


def test_memory_comes_back_only_when_nothing_refers_to_it():
    memory = Memory()
    first = memory.zeros((4, 5), np.float32)
    address, view = first.ctypes.data, first[1:, 2]
    first += 7
    del first
    other = memory.zeros((4, 5), np.float32)
    assert other.ctypes.data != address
    assert (view == 7).all()
    del view
    again = memory.zeros((4, 5), np.float32)
    assert again.ctypes.data == address
    assert not again.any()


def test_batches_that_are_kept_are_not_written_over():
    loader = Loader(read, lambda _: list(range(12)), 4, seed=5, threads=2)
    kept = list(loader.epoch(0))
    before = [batch["chance"].copy() for batch in kept]
    list(loader.epoch(1))
    for batch, chances in zip(kept, before, strict=True):
        np.testing.assert_array_equal(batch["chance"], chances)


def test_examples_of_different_shapes_are_refused():
    def uneven(index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        return {"sheet": np.zeros((1, 1 + index % 2))}

    with pytest.raises(ValueError, match="sheet has shapes"):
        list(Loader(uneven, lambda _: list(range(8)), 4, seed=1, threads=1).epoch(0))


def test_an_epoch_of_nothing_has_no_batches():
    assert list(Loader(read, lambda _: [], 4, seed=1).epoch(0)) == []


def test_a_reader_that_stops_early_gives_up_what_waits():
    started = []

    def slow(index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        started.append(index)
        time.sleep(0.01)
        return {"index": np.float32(index)}

    epoch = Loader(slow, lambda _: list(range(400)), 4, seed=1, threads=2).epoch(0)
    next(epoch)
    epoch.close()
    count = len(started)
    assert count < 30
    time.sleep(0.05)
    assert len(started) == count


@pytest.mark.slow
def test_reading_takes_no_backend():
    modules = ("augmentation", "labelled_sheets", "labelled_tiles")
    code = "import sys\n" + "".join(f"import steel_defects.training.{name}\n" for name in modules)
    code += "print({'keras', 'tensorflow', 'jax', 'torch', 'kedro'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(("cache", "expected"), [(False, 0), (True, 1)])
def test_one_thread_reads_from_the_cache(cache, expected):
    assert SegmentationConfig.model_construct(cache=cache).loader_threads == expected
