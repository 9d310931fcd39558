from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from tests.pipelines.conftest import CONFIG, Data

from steel_defects.annotations import rle, schemas
from steel_defects.datasets.probability_maps import ProbabilityMapsDataset
from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.postprocessing import PostprocessingGrid
from steel_defects.inspection.package import read_package, write_package
from steel_defects.models.config import UNetConfig
from steel_defects.pipelines.segmentation import nodes
from steel_defects.training.config import CropConfig, SegmentationConfig

TRAINING = SegmentationConfig(
    seed=1,
    epochs=1,
    tile_batches_per_epoch=2,
    batch_size=4,
    learning_rate=0.001,
    patience=1,
    precision="float32",
    eager=True,
)
NO_GATE = {"name": None, "reason": "none was asked for"}


class Seer:
    """A segmenter that knows the truth: half certain outside, fully inside the true masks."""

    def __init__(self, data: Data) -> None:
        self.maps = {}
        masks = data.annotations.set_index(["sheet_id", "class_id"])["rle"].to_dict()
        for sheet_id, image in data.folder.items():
            classes = [rle.decode(masks.get((sheet_id, k), ""), 64, 256) for k in range(1, 5)]
            self.maps[image.tobytes()] = 0.1 + 0.9 * np.stack(classes, axis=-1)

    def predict_on_batch(self, sheets: np.ndarray) -> np.ndarray:
        return self.maps[sheets[0, ..., 0].astype(np.uint8).tobytes()][None]


@pytest.fixture(scope="module")
def seer(data: Data) -> Seer:
    return Seer(data)


@pytest.fixture(scope="module")
def maps(data: Data, seer: Seer, tmp_path_factory):
    dataset = ProbabilityMapsDataset(filepath=str(tmp_path_factory.mktemp("maps")))
    dataset.save(nodes.predict_probabilities(seer, data.folder, data.sheets, data.splits))
    return dataset.load()


@pytest.fixture(scope="module")
def settings(data: Data, maps) -> dict[str, dict[str, float]]:
    grid = PostprocessingGrid(thresholds=(0.05, 0.5), min_areas_px=(0, 8000))
    return nodes.tune_postprocessing(maps, data.sheets, data.annotations, data.splits, CONFIG, grid)


@pytest.fixture(scope="module")
def predictions(data: Data, seer: Seer, settings) -> pd.DataFrame:
    return nodes.predict_masks(seer, settings, data.folder, data.sheets, data.splits)


def profile(parameters: int = 3) -> dict[str, float]:
    return {"parameters": parameters, "epochs": 1, "training_seconds": 2.0, "ms_per_sheet": 1.0}


def of_split(data: Data, split: str) -> set[str]:
    return set(data.splits.loc[data.splits["split"] == split, "sheet_id"])


def test_training(data: Data, tmp_path):
    model, history, facts = nodes.train_segmenter(
        data.folder, data.sheets, data.annotations, data.tiles, tmp_path, CONFIG, TRAINING,
        UNetConfig(filters=(2, 4)),
    )  # fmt: skip
    schemas.history.validate(history)
    assert model.output_shape == (None, None, None, 4)
    assert facts["parameters"] == model.count_params()
    assert list(tmp_path.rglob("*.npz")) == []


def test_windows_from_the_cache_train_the_same_weights(data: Data, tmp_path):
    weights = []
    for cache in (False, True):
        config = TRAINING.model_copy(
            update={"crop": CropConfig(windows_per_sheet=2), "blackout_share": 0.5, "cache": cache}
        )
        model, _, _ = nodes.train_segmenter(
            data.folder, data.sheets, data.annotations, data.tiles, tmp_path / "checkpoints",
            CONFIG, config, UNetConfig(filters=(2, 4)),
        )  # fmt: skip
        weights.append(model.get_weights())
        assert (tmp_path / "gray_sheets" / "gray_sheets.bin").is_file() == cache
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_split_without_tiles_is_said(data: Data, tmp_path):
    tiles = data.tiles[data.tiles["split"] != "validation"]
    with pytest.raises(SteelDefectsError, match="no tiles in the training or the validation"):
        nodes.train_segmenter(
            data.folder, data.sheets, data.annotations, tiles, tmp_path, CONFIG, TRAINING,
            UNetConfig(filters=(2, 4)),
        )  # fmt: skip


def test_maps_are_of_half_size_and_for_tuning_alone(data: Data, maps):
    assert set(maps) == of_split(data, "validation") | of_split(data, "calibration")
    for values in maps.values():
        assert values.shape == (32, 128, 4)
        assert values.dtype == np.uint8


def test_tuning_takes_what_suits_the_validation_sheets(data: Data, settings):
    assert list(settings) == ["1", "2", "3", "4"]
    rows = data.annotations["sheet_id"].isin(of_split(data, "validation"))
    for class_id in set(data.annotations.loc[rows, "class_id"]):
        found = settings[str(class_id)]
        # 0.05 would take the whole sheet, and 8000 pixels would leave nothing.
        assert (found["threshold"], found["min_area_px"]) == (0.5, 0)
        assert found["validation_dice"] > 0.9


def test_masks_of_sheets_that_training_did_not_see(data: Data, predictions):
    schemas.predictions.validate(predictions)
    assert set(predictions["sheet_id"]).isdisjoint(of_split(data, "train"))
    assert len(predictions) == 4 * predictions["sheet_id"].nunique()
    assert (predictions["area_px"] == predictions["rle"].map(rle.area)).all()


def test_comparison_alone_and_behind_a_gate(data: Data, predictions):
    test = of_split(data, "test")
    defective = set(data.annotations["sheet_id"]) & test
    scores = data.sheets[["sheet_id"]].assign(repeat=pd.array([None] * 16, dtype="Int64"))
    # A gate that clears every sheet, the defective ones too.
    tables = {
        "unet_predictions": predictions, "unet_profile": profile(),
        "vgg16_scores": scores.assign(score=0.1), "vgg16_point": {"lower_threshold": 0.2},
    }  # fmt: skip
    table, classes = nodes.compare_segmenters(
        data.sheets, data.annotations, CONFIG, {"name": "vgg16"}, **tables
    )
    schemas.segmentation_comparison.validate(table)
    schemas.class_comparison.validate(classes)
    row = table.iloc[0]
    assert row["sheets"] == len(test)
    positives = data.annotations["sheet_id"].isin(test).sum()
    assert row["all_empty_dice"] == pytest.approx(1 - positives / (4 * len(test)))
    assert row["mean_dice_gated"] == pytest.approx(row["all_empty_dice"])
    assert row["mean_dice"] > row["mean_dice_gated"]
    assert classes["positives"].sum() == positives
    assert defective
    open_gate, _ = nodes.compare_segmenters(
        data.sheets, data.annotations, CONFIG, NO_GATE, **tables
    )
    assert open_gate["mean_dice_gated"].item() == pytest.approx(row["mean_dice"])


def test_the_segmenter_is_the_best_on_validation():
    tables = {
        "unet_postprocessing": {"1": {"validation_dice": 0.7}, "2": {"validation_dice": 0.9}},
        "fpn_postprocessing": {"1": {"validation_dice": 0.8}, "2": {"validation_dice": 0.9}},
        "unet_profile": profile(3), "fpn_profile": profile(4),
    }  # fmt: skip
    assert nodes.select_segmenter("best", **tables)["name"] == "fpn"
    assert nodes.select_segmenter("unet", **tables)["name"] == "unet"
    with pytest.raises(SteelDefectsError, match="it takes best, unet, fpn"):
        nodes.select_segmenter("u-net", **tables)


def tiny_model(outputs: int) -> keras.Model:
    sheet = keras.Input((8, 16, 1))
    return keras.Model(sheet, keras.layers.Conv2D(outputs, 1, activation="sigmoid")(sheet))


@pytest.mark.parametrize("gate", [None, "vgg16"])
def test_the_package_holds_what_was_chosen(data: Data, settings, tmp_path: Path, gate):
    table = pd.DataFrame([{"architecture": "unet", "mean_dice": 0.9} | profile()])
    scores = data.splits[["sheet_id", "split"]].assign(
        score=0.5, repeat=pd.array([None] * 16, dtype="Int64")
    )
    point = {"lower_threshold": 0.2, "upper_threshold": 0.8, "temperature": 1.5}
    contents = nodes.build_package(
        data.folder, data.sheets, data.splits, {"name": gate}, {"name": "unet"}, table, CONFIG, 0.5,
        unet_postprocessing=settings, unet_segmenter=tiny_model(4),
        vgg16_classifier=tiny_model(1), vgg16_point=point, vgg16_scores=scores,
    )  # fmt: skip
    write_package(tmp_path / "package", contents.manifest, contents.writers)
    manifest = read_package(tmp_path / "package").manifest
    assert set(manifest.files) == ({"gate.keras"} if gate else set()) | {"segmenter.keras"}
    assert manifest.class_names == CONFIG.class_names
    assert manifest.mm_per_px == 0.5
    assert len(manifest.reference["brightness"]) == 11
    assert manifest.metrics["segmenter"]["mean_dice"] == 0.9
    # Times differ between two runs of one seed and stay out.
    assert "training_seconds" not in manifest.metrics["segmenter"]
    if gate:
        assert manifest.gate.input_size == (8, 16)
        assert (manifest.gate.lower_threshold, manifest.gate.temperature) == (0.2, 1.5)
    else:
        assert manifest.gate is None
