import time

import numpy as np
import pytest

from steel_defects.training.loader import Loader, read_in_order


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
    for key in ("index", "chance"):
        assert joined(batches(3, threads=1), key) == joined(batches(3, threads=7), key)


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


def test_read_in_order_keeps_the_order():
    def slow(index: int) -> int:
        time.sleep(0.001 * (index % 4))
        return index

    assert list(read_in_order(slow, 30, threads=5)) == list(range(30))


def test_an_error_in_a_thread_reaches_the_caller():
    def broken(index: int) -> int:
        if index == 3:
            raise OSError("disk gone")
        return index

    with pytest.raises(OSError, match="disk gone"):
        list(read_in_order(broken, 8, threads=2))
