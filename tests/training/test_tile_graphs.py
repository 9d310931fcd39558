"""Networks on tiles of any size, and measuring them there."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from keras import ops

from steel_defects.errors import SteelDefectsError
from steel_defects.labels import rle
from steel_defects.models.config import UNetConfig
from steel_defects.models.segmenters import build_segmenter, with_coarse_mask
from steel_defects.training.config import SegmentationConfig
from steel_defects.training.jobs import SegmenterRecipe
from steel_defects.training.labelled_tiles import LabelledTiles, labelled_tiles
from steel_defects.training.segmentation import fit_segmenter, for_tiles, tile_validation

HEIGHT, WIDTH, SHEETS = 12, 20, 5


def config(**changes: object) -> SegmentationConfig:
    values = {
        "seed": 1, "epochs": 2, "batch_size": 2, "learning_rate": 0.01, "patience": 9,
        "steps_per_epoch": 2, "eager": True, "precision": "float32", "bce_weight": 0.3,
    }  # fmt: skip
    return SegmentationConfig(**values | changes)


class Pictures:
    """Gray pictures whose left half is brighter; class 1 is there, class 2 nowhere."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.images = rng.integers(60, 120, (SHEETS, HEIGHT, WIDTH), np.uint8)
        self.images[1:, :, : WIDTH // 2] += 100
        self.masks = (self.images > 140).astype(np.uint8)

    def read(self, path: str) -> np.ndarray:
        return self.images[int(path)]

    def tiles(self) -> LabelledTiles:
        names = [str(number) for number in range(SHEETS)]
        sheets = pd.DataFrame(
            {"sheet_id": names, "path": names, "sha256": names, "height": HEIGHT, "width": WIDTH}
        )
        windows = [
            (name, 0, 0, WIDTH, HEIGHT, [int(mask.sum()), 0])
            for name, mask in zip(names, self.masks, strict=True)
        ]
        columns = ["sheet_id", "x", "y", "width", "height", "area_px"]
        found = [(n, 1, rle.encode(m)) for n, m in zip(names, self.masks, strict=True) if m.any()]
        annotations = pd.DataFrame(found, columns=["sheet_id", "class_id", "rle"])
        return labelled_tiles(
            self, pd.DataFrame(windows, columns=columns), sheets, annotations, classes=2
        )


def seer(classes: int = 2) -> keras.Model:
    """A network that says 0.9 on bright pixels of class 1, and 0.2 elsewhere."""
    sheet = keras.Input((None, None, 1))
    bright = ops.cast(sheet > 140, "float32") * 0.7 + 0.2
    return keras.Model(sheet, ops.concatenate([bright, ops.zeros_like(sheet) + 0.2], axis=-1))


@pytest.mark.parametrize("size", [(8, 16), (10, 13)])
def test_tiles_are_mirrored_up_to_whole_strides_and_cut_back(size):
    sheet = keras.Input((None, None, 1))
    pooled = ops.average_pool(sheet, 4, 4, "valid")
    network = keras.Model(sheet, [sheet * 1.0, ops.mean(sheet, axis=(1, 2)), pooled])
    tiles = np.random.default_rng(0).uniform(0, 255, (3, *size, 1)).astype(np.float32)
    found = [np.asarray(output) for output in for_tiles(network, size, stride=8)(tiles)]

    around = ((0, 0), (0, -size[0] % 8), (0, -size[1] % 8), (0, 0))
    padded = np.pad(tiles, around, mode="symmetric")
    np.testing.assert_array_equal(found[0], tiles)
    np.testing.assert_allclose(found[1], padded.mean((1, 2)), rtol=1e-5)
    cells = padded.reshape(3, padded.shape[1] // 4, 4, padded.shape[2] // 4, 4, 1).mean((2, 4))
    expected = cells[:, : size[0] // 4, : size[1] // 4]
    np.testing.assert_allclose(found[2], expected, rtol=1e-5)


def test_tiles_too_small_to_be_mirrored():
    sheet = keras.Input((None, None, 1))
    with pytest.raises(SteelDefectsError, match="tiles of 3 by 16 pixels are too small"):
        for_tiles(keras.Model(sheet, sheet * 1.0), (3, 16), stride=8)


def test_validation_against_numpy():
    pictures = Pictures()
    found = tile_validation(seer(), 8, pictures.tiles(), config())()
    truth = np.stack([pictures.masks, np.zeros_like(pictures.masks)], axis=-1)
    predicted = np.full(truth.shape, 0.2)
    predicted[..., 0][pictures.masks > 0] = 0.9
    bce = -np.log(np.where(truth > 0, predicted, 1 - predicted)).mean()
    over = (0, 1, 2)
    soft = 1 - 2 * (truth * predicted).sum(over) / (truth.sum(over) + predicted.sum(over))
    assert found == {
        "validation_loss": pytest.approx(0.3 * bce + 0.7 * soft.mean(), rel=1e-5),
        "validation_mean_dice": 1.0,  # all found, and nothing where nothing is
        "validation_dice_on_positives": 1.0,
    }


def test_mean_dice_counts_each_tile_and_class_once():
    pictures = Pictures()
    pictures.images[0, 0, 0] = 200  # seen, but not there
    pictures.images[1, :, :5] = 60  # half of the defect goes unseen
    found = tile_validation(seer(), 4, pictures.tiles(), config())()
    assert found["validation_dice_on_positives"] == pytest.approx((2 / 3 + 3) / 4)
    assert found["validation_mean_dice"] == pytest.approx((0 + 2 / 3 + 3 + 5) / 10)


@pytest.mark.slow
def test_training_with_all_options(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    network = UNetConfig(
        filters=(2, 2, 4), residual=True, deep_supervision=True, presence_head=True
    )
    values = config(
        epochs=4, steps_per_epoch=3, batch_size=4, learning_rate=0.05, warmup_share=0.0,
        bce_weight=0.7, region_loss="focal_tversky", positive_weights=(1, 3), ema_momentum=0.5,
    )  # fmt: skip
    tiles = Pictures().tiles()
    fitted = fit_segmenter(tiles, tiles, SegmenterRecipe(network, values), tmp_path)
    assert [tuple(output.shape)[1:] for output in fitted.model.outputs] == [(None, None, 2), (2,)]
    losses = fitted.history["validation_loss"]
    assert losses.iloc[-1] < 0.95 * losses[0]
    # Else its file would hold the optimizer, too.
    assert not fitted.model.compiled
    assert "unet starts from random weights" in caplog.messages


@pytest.mark.parametrize("presence_head", [False, True])
def test_a_coarse_mask_is_the_mask_before_it_is_enlarged(presence_head: bool):
    network = UNetConfig(filters=(2, 4), presence_head=presence_head)
    segmenter = build_segmenter(network, 2, seed=1)
    coarse = with_coarse_mask(segmenter)
    sheet = np.random.default_rng(0).uniform(0, 255, (1, 16, 24, 1)).astype(np.float32)
    answer = coarse(sheet)
    cells, *others = answer if isinstance(answer, list) else [answer]
    logits = keras.Model(segmenter.input, segmenter.get_layer("logits").output)
    assert cells.shape == (1, 8, 12, 2)
    np.testing.assert_allclose(cells, ops.sigmoid(logits(sheet)), rtol=1e-6)
    assert len(others) == presence_head
    assert {id(w) for w in coarse.weights} == {id(w) for w in segmenter.weights}


@pytest.mark.slow
@pytest.mark.parametrize("deep_supervision", [False, True])
def test_training_on_coarse_masks(tmp_path: Path, deep_supervision: bool):
    network = UNetConfig(filters=(2, 2, 4), deep_supervision=deep_supervision, presence_head=True)
    values = config(
        epochs=4, steps_per_epoch=3, batch_size=4, learning_rate=0.05, warmup_share=0.0,
        region_loss="sheet_dice", class_weights=(2, 1), coarse_loss=True, keep_last=True,
        clean_tile_share=0.3, shift=0.1, noise=2.0,
    )  # fmt: skip
    tiles = Pictures().tiles()
    fitted = fit_segmenter(tiles, tiles, SegmenterRecipe(network, values), tmp_path)
    assert tuple(fitted.model.outputs[0].shape)[1:] == (None, None, 2)
    losses = fitted.history["validation_loss"]
    assert losses.iloc[-1] < 0.95 * losses[0]


@pytest.mark.slow
@pytest.mark.parametrize("keep_last", [False, True])
def test_patience_does_not_count_where_the_last_epoch_is_kept(tmp_path: Path, keep_last: bool):
    """A rate that is far too high makes validation worse from the first epoch on."""
    values = config(epochs=4, learning_rate=50.0, warmup_share=0.0, patience=1, keep_last=keep_last)
    tiles = Pictures().tiles()
    recipe = SegmenterRecipe(UNetConfig(filters=(2, 2)), values)
    epochs = len(fit_segmenter(tiles, tiles, recipe, tmp_path).history)
    assert epochs == (4 if keep_last else 2)


@pytest.mark.parametrize("parameter", ["class_weights", "positive_weights"])
def test_there_is_one_weight_per_class(tmp_path: Path, parameter: str):
    tiles = Pictures().tiles()
    with pytest.raises(SteelDefectsError, match=f"{parameter} has 1 values; give one a class"):
        recipe = SegmenterRecipe(UNetConfig(filters=(2, 2)), config(**{parameter: (2,)}))
        fit_segmenter(tiles, tiles, recipe, tmp_path)


def test_a_split_without_sheets_is_told_before_training(tmp_path: Path):
    tiles = Pictures().tiles()
    nothing = replace(tiles, tiles=tiles.tiles.head(0))
    for parts in ((tiles, nothing), (nothing, tiles)):
        with pytest.raises(SteelDefectsError, match=r"has no sheet.*data_engineering\.shares"):
            recipe = SegmenterRecipe(UNetConfig(filters=(2, 2)), config())
            fit_segmenter(*parts, recipe, tmp_path)
