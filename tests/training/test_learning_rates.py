"""Choosing a learning rate in short trainings."""

import json

import numpy as np
import pandas as pd
import pytest
from tests.training.test_tile_graphs import Pictures, config

from steel_defects.errors import SteelDefectsError
from steel_defects.models.config import UNetConfig
from steel_defects.training import learning_rates
from steel_defects.training.config import RateSearchConfig, SegmentationConfig
from steel_defects.training.loop import TrainingDiverged
from steel_defects.training.segmentation import FittedSegmenter

NETWORK = UNetConfig(filters=(2, 2))
SEARCH = RateSearchConfig(factors=(0.5, 1, 2), epochs=3)


class Trainer:
    """Says that the rate of 0.02 is the best, and notes how it was asked."""

    def __init__(self) -> None:
        self.asked: list[SegmentationConfig] = []
        self.fail_at = 99
        self.diverges_from = np.inf

    def __call__(self, training, validation, config, network, label, folder=None, weights=None):
        if len(self.asked) == self.fail_at:
            raise KeyboardInterrupt
        self.asked.append(config)
        if config.learning_rate >= self.diverges_from:
            raise TrainingDiverged(f"{label}: the loss of epoch 1 is not a number")
        losses = [0.5, 0.1 + abs(config.learning_rate - 0.02), 0.4]
        history = pd.DataFrame({"validation_loss": losses})
        return FittedSegmenter(None, history, 1.0, config.learning_rate)

    @property
    def rates(self) -> list[float]:
        return [asked.learning_rate for asked in self.asked]


@pytest.fixture
def trainer(monkeypatch) -> Trainer:
    trainer = Trainer()
    monkeypatch.setattr(learning_rates, "train_segmenter", trainer)
    return trainer


def fit(folder=None, **changes: object) -> FittedSegmenter:
    tiles = Pictures().tiles()
    values = config(**changes)
    return learning_rates.train_at_best_rate(tiles, tiles, values, NETWORK, "unet", folder)


def test_the_best_of_short_trainings_is_taken(trainer, tmp_path):
    fitted = fit(tmp_path, search=SEARCH, epochs=7)
    assert fitted.learning_rate == 0.02
    assert trainer.rates == [0.005, 0.01, 0.02, 0.02]
    assert [asked.epochs for asked in trainer.asked] == [3, 3, 3, 7]
    assert {asked.search for asked in trainer.asked} == {None}
    assert not list(tmp_path.iterdir())


def test_without_a_search_the_rate_is_taken_as_it_is(trainer):
    assert fit().learning_rate == 0.01
    assert trainer.rates == [0.01]


def test_what_was_tried_before_a_kill_is_not_tried_again(trainer, tmp_path):
    trainer.fail_at = 2
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, search=SEARCH)
    (kept,) = tmp_path.glob("*_rates.json")
    assert len(json.loads(kept.read_text(encoding="utf-8"))["losses"]) == 2
    trainer.fail_at, trainer.asked[:] = 99, []
    assert fit(tmp_path, search=SEARCH).learning_rate == 0.02
    assert trainer.rates == [0.02, 0.02]


def test_a_rate_that_diverges_loses(trainer, tmp_path, caplog):
    trainer.diverges_from = 0.02
    trainer.fail_at = 3  # the final training
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, search=SEARCH)
    assert "rate_0.02: the loss of epoch 1 is not a number; it is left out" in caplog.text
    trainer.fail_at, trainer.asked[:] = 99, []
    assert fit(tmp_path, search=SEARCH).learning_rate == 0.01
    assert trainer.rates == [0.01], "what diverged is not tried again either"


def test_rates_that_all_diverge_are_told_in_one_line(trainer):
    trainer.diverges_from = 0
    with pytest.raises(SteelDefectsError, match="at every learning rate of segmentation.search"):
        fit(search=SEARCH)
    assert trainer.rates == [0.005, 0.01, 0.02]


def test_what_was_tried_with_other_parameters_does_not_count(trainer, tmp_path):
    trainer.fail_at = 2
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, search=SEARCH)
    trainer.fail_at, trainer.asked[:] = 99, []
    fit(tmp_path, search=SEARCH, weight_decay=0.1)
    assert len(trainer.asked) == 4


def test_a_real_search():
    search = RateSearchConfig(factors=(0.001, 1), epochs=2)
    fitted = fit(search=search, learning_rate=0.05, warmup_share=0.0)
    assert fitted.learning_rate == 0.05
    assert len(fitted.history) == 2
