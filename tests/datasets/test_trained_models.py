import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from steel_defects.datasets.trained_models import (
    ChosenModelDataset,
    TrainedGate,
    TrainedModels,
    TrainedSegmenter,
)
from steel_defects.errors import SteelDefectsError
from steel_defects.models.trained import ModelReference, ModelSelection

FIRST, SECOND = "2026-01-01T00.00.00.000Z", "2026-01-02T00.00.00.000Z"


def save(root: Path, name: str, version: str, content: Any) -> None:
    path = root / name / version / Path(name).name
    path.parent.mkdir(parents=True)
    if isinstance(content, pd.DataFrame):
        content.to_parquet(path)
    else:
        path.write_text(
            content if isinstance(content, str) else json.dumps(content), encoding="utf-8"
        )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    record = {"name": "vgg16", "parameters": 5, "quality": 0.9}
    for number, version in enumerate((FIRST, SECOND)):
        save(tmp_path, "06_models/vgg16.classifier.keras", version, "a model")
        save(tmp_path, "07_model_output/vgg16.sheet_scores.parquet", version,
             pd.DataFrame({"score": [number]}))  # fmt: skip
    save(tmp_path, "07_model_output/vgg16.trained_gate.json", FIRST, record)
    # Of an earlier release: no record, and a placeholder where nothing was trained.
    for version, network in ((FIRST, "a model"), (SECOND, "no model: none was trained")):
        save(tmp_path, "06_models/fpn.segmenter.keras", version, network)
        save(tmp_path, "07_model_output/fpn.predictions.parquet", version, pd.DataFrame())
    save(tmp_path, "06_models/fpn.segmenter_profile.json", FIRST, {"parameters": 7})
    settings = [{"threshold": 0.5, "min_area_px": 0, "validation_dice": 0.75}]
    save(tmp_path, "07_model_output/fpn.postprocessing.json", FIRST, {"classes": settings})
    return tmp_path


def test_the_newest_models_of_a_kind(root: Path):
    (gate,) = TrainedModels(root).newest(TrainedGate)
    assert (gate.name, gate.version, gate.record.quality) == ("vgg16", FIRST, 0.9)
    assert gate.scores["score"].tolist() == [0]
    (segmenter,) = TrainedModels(root).newest(TrainedSegmenter)
    assert (segmenter.name, segmenter.version) == ("fpn", FIRST)
    assert (segmenter.record.parameters, segmenter.record.quality) == (7, 0.75)
    assert segmenter.stacking.stacked is None


def test_what_is_missing_or_was_never_trained_is_told(root: Path):
    selection = ModelSelection(
        name="fpn", reason="", candidates={"fpn": None}, versions={"fpn": SECOND}
    )
    (segmenter,) = TrainedModels(root).compared(TrainedSegmenter, selection)
    with pytest.raises(SteelDefectsError, match="fpn.segmenter_history is missing at version"):
        assert segmenter.history
    with pytest.raises(SteelDefectsError, match="holds no model: an earlier release wrote it"):
        assert segmenter.segmenter


def test_the_chosen_model_is_kept_by_name_and_version(root: Path):
    dataset = ChosenModelDataset(filepath=str(root / "chosen.json"), models=str(root), kind="gate")
    dataset.save(ModelReference(name="vgg16", version=SECOND))
    chosen = dataset.load()
    assert isinstance(chosen, TrainedGate)
    assert chosen.scores["score"].tolist() == [1]
    dataset.save(ModelReference())
    assert dataset.load() is None
