"""Pixels of which nobody can tell what they show neither train nor count."""

import keras
import numpy as np
import pytest
from keras import layers
from tests.training.test_labelled_tiles import CLASSES, config, data, dense

from steel_defects.decision.postprocessing import SheetPrediction
from steel_defects.labels import rle as run_length
from steel_defects.labels.masks import UNKNOWN, VOID
from steel_defects.models.config import UNetConfig
from steel_defects.prediction import inference, predicted_masks
from steel_defects.training.classification import _unpack as unpack_sheets
from steel_defects.training.labelled_tiles import LabelledTiles, TileReader
from steel_defects.training.segmentation import MaskLoss, _unpack, tile_validation

__all__ = ["data"]
pytestmark = pytest.mark.slow
RNG = np.random.default_rng(3)
SIZE = 24


def with_void(data: LabelledTiles) -> LabelledTiles:
    """Make the left half of every sheet void."""
    masks = dict(data.masks)
    for row in data.sheets:
        void = np.zeros((row.sheet_height, row.sheet_width), np.uint8)
        void[:, : row.sheet_width // 2] = 1
        masks[row.sheet_id, VOID] = run_length.encode(void)
    return LabelledTiles(data.folder, data.tiles, masks, data.classes)


def test_void_pixels_are_marked_in_all_classes_unless_a_defect_is_known(data: LabelledTiles):
    void = with_void(data)
    assert void.has_void and not data.has_void
    assert VOID not in {class_id for runs in void.defects.values() for class_id in runs}
    plain, read = TileReader(data).tile, TileReader(void).tile
    seen = 0
    for index, row in enumerate(data.tiles.itertuples()):
        before, after = (r(index, np.random.default_rng(0)) for r in (plain, read))
        mask, marked = dense(before["mask"]), dense(after["mask"])
        half = np.zeros(mask.shape, np.bool_)
        half[:, : max(0, row.sheet_width // 2 - row.x)] = True
        np.testing.assert_array_equal(marked, np.where(half & (mask == 0), UNKNOWN, mask))
        np.testing.assert_array_equal(before["presence"], after["presence"])
        seen += int(half.any())
    assert seen


def test_windows_are_never_placed_on_void(data: LabelledTiles):
    from steel_defects.training.labelled_tiles import crop_sampler

    drawn = [
        crop_sampler(part, config(windows_per_sheet=2, defect_tile_share=1.0))(
            np.random.default_rng(5)
        )
        for part in (data, with_void(data))
    ]
    assert drawn[0] == drawn[1]
    assert all(class_id > 0 for _, class_id in drawn[1])


@pytest.mark.parametrize("region", ["dice", "sheet_dice", "focal_tversky"])
def test_the_loss_does_not_look_at_void_pixels(region: str):
    shape = (2, 8, 8, CLASSES)
    truth, predicted = (RNG.random(shape) < 0.3).astype("uint8"), RNG.random(shape)
    void = RNG.random(shape) < 0.4
    other = np.where(void, RNG.random(shape), predicted)
    loss = MaskLoss(0.5, region, has_void=True)
    marked = np.where(void, UNKNOWN, truth).astype("uint8")
    one, same = (float(loss(marked, x.astype("float32"))) for x in (predicted, other))
    assert one == pytest.approx(same, abs=1e-6)
    changed = np.where(void, predicted, RNG.random(shape))
    assert float(loss(marked, changed.astype("float32"))) != pytest.approx(one, abs=1e-3)
    # Without any, it is the loss of before.
    plain = MaskLoss(0.5, region)
    arguments = truth, predicted.astype("float32")
    assert float(loss(*arguments)) == pytest.approx(float(plain(*arguments)), abs=1e-6)


def test_a_cell_of_deep_supervision_with_void_pixels_is_void():
    network = UNetConfig(name="unet", filters=(2, 4, 4, 4), deep_supervision=True)
    assert network.auxiliary_strides
    mask = np.zeros((1, 16, 16, 1), np.uint8)
    mask[0, 0, 0] = UNKNOWN
    mask[0, 8:, 8:] = 1
    batch = {"sheet": mask, "mask": mask, "presence": np.ones((1, 1), np.float32)}
    _, targets, _ = _unpack(network, False, True, batch)
    _, of_cells, _ = _unpack(network, True, True, batch)
    coarse = [np.asarray(one) for one in targets if np.asarray(one).ndim == 4][1:]
    assert coarse
    assert np.asarray(of_cells[0]).shape == (1, 8, 8, 1)
    for cells in (np.asarray(of_cells[0]), *coarse):
        assert cells[0, 0, 0, 0] == UNKNOWN
        assert (cells == UNKNOWN).sum() == 1
        assert cells[0, -1, -1, 0] == 1


def test_validation_does_not_look_at_void_pixels(data: LabelledTiles):
    """A network that is right on the right half and says everything on the left one."""
    void = with_void(data)
    image = keras.Input((None, None, 1))
    model = keras.Model(image, layers.Conv2D(CLASSES, 1, activation="sigmoid")(image))
    kernel, bias = (np.zeros(w.shape) for w in model.get_weights())
    model.set_weights([kernel, bias + 9])  # everything is a defect
    settings = config()
    everything = tile_validation(model, 1, data, settings)()
    known = tile_validation(model, 1, void, settings)()
    masks = np.stack([dense(TileReader(void).tile(n, RNG)["mask"]) for n in range(len(void.tiles))])
    truth = (masks == 1).sum((1, 2))
    said = (masks < UNKNOWN).sum((1, 2))
    total = truth + said
    dice = np.where(total > 0, 2 * truth / np.maximum(total, 1), 1.0)
    assert known["validation_mean_dice"] == pytest.approx(dice.mean(), abs=1e-4)
    assert known["validation_mean_dice"] != pytest.approx(
        everything["validation_mean_dice"], abs=1e-3
    )


def test_nothing_is_predicted_on_void_pixels(monkeypatch):
    maps = RNG.integers(1, 255, (6, 10, 2), np.uint8)
    answer = SheetPrediction(maps, np.array([0.2, 0.9], np.float32))
    monkeypatch.setattr(inference, "predict_sheet", lambda *_: answer)
    monkeypatch.setattr(predicted_masks, "required_stride", lambda _: 1)
    model = type("Model", (), {"predict_on_batch": None})()
    folder = type("Folder", (), {"read": staticmethod(lambda _: np.zeros((6, 10), np.uint8))})()
    void = np.zeros((6, 10), np.uint8)
    void[2:4, 3:] = 1
    plain, cut = predicted_masks.predict_maps(
        model, folder, ["a", "b"], void=["", run_length.encode(void)]
    )
    np.testing.assert_array_equal(plain.maps, maps)
    assert cut.maps.dtype == np.uint8
    assert not cut.maps[void > 0].any()
    np.testing.assert_array_equal(cut.maps[void == 0], maps[void == 0])
    np.testing.assert_array_equal(cut.presence, answer.presence)


def test_the_gate_s_auxiliary_mask_weighs_no_void_cell():
    mask = np.array([[[[0.0], [UNKNOWN]], [[1.0], [0.0]]]], np.float32)
    batch = {"sheet": mask, "score": mask[:, 0, 0], "weight": np.ones(1), "mask": mask}
    _, (_, target), (_, cells) = unpack_sheets(True, batch)
    np.testing.assert_array_equal(np.asarray(cells)[0], [[1, 0], [1, 1]])
    assert np.asarray(target).max() == 1
