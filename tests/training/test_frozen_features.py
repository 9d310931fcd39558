"""Heads learn from, and are asked with, features that are read once."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest

from steel_defects.models.classifier import build_classifier
from steel_defects.models.config import BackboneConfig, HeadConfig
from steel_defects.prediction.sheet_scores import predict_scores
from steel_defects.training.frozen_features import FrozenFeatures
from steel_defects.training.labelled_sheets import LabelledSheets

pytestmark = pytest.mark.slow

SIZE = (32, 64)


@dataclass
class Folder:
    """Random gray sheets; remembers which were read."""

    read_paths: list[str] = field(default_factory=list)

    def read(self, path: str) -> np.ndarray:
        self.read_paths.append(path)
        return np.random.default_rng(int(path)).integers(0, 255, SIZE, np.uint8)


def sheets(folder: Folder, numbers: range) -> LabelledSheets:
    names = [str(number) for number in numbers]
    return LabelledSheets(folder, pd.DataFrame({"sheet_id": names, "path": names}), {})


def test_scores_are_those_of_the_whole_network_and_no_sheet_is_read_twice():
    head = HeadConfig(units=(4,), dropout=0.0, orientations="half_turn")
    backbone = BackboneConfig(name="mobilenet_v2", weights="none", alpha=0.35)
    classifier = build_classifier(backbone, head, SIZE, seed=1)
    folder, features = Folder(), FrozenFeatures()
    learned = features.of(classifier, 2, sheets(folder, range(5)))
    assert learned.shape == (5, 2560)

    found = features.scores(classifier, 2, sheets(folder, range(3, 8)))
    assert sorted(folder.read_paths) == [str(number) for number in range(8)]
    paths = [str(number) for number in range(3, 8)]
    np.testing.assert_allclose(found, predict_scores(classifier, Folder(), paths), atol=1e-6)
    assert len(set(found)) == 5

    # What a head is asked over other orientations is another thing.
    features.of(classifier, 1, sheets(folder, range(2)))
    assert folder.read_paths.count("0") == 2
