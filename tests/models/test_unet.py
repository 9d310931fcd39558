import numpy as np
import pytest
from pydantic import ValidationError

from steel_defects.models.config import STRIDE, UNetConfig
from steel_defects.models.files import load_model, save_model
from steel_defects.models.segmenters import build_segmenter
from steel_defects.models.unet import add_auxiliary_masks
from steel_defects.prediction.inference import predict_sheet

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("size", [(32, 64), (45, 71), (1, 33)])
def test_any_size_goes_through_the_network(size):
    model = build_segmenter(UNetConfig(filters=(4, 8), dropout=0.1), classes=3, seed=2)
    image = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    maps = predict_sheet(lambda x: model(x, training=False), image).maps
    assert maps.shape == (*size, 3)
    assert maps.dtype == np.uint8
    # Training begins at the share of defective pixels, not at a half.
    assert 0 < maps.mean() / 255 < 0.3


@pytest.mark.parametrize("presence_head", [False, True])
@pytest.mark.parametrize("stem_stride", [1, 2])
def test_options_and_reload(tmp_path, stem_stride, presence_head):
    config = UNetConfig(
        filters=(4, 4, 8), stem_stride=stem_stride, residual=True, presence_head=presence_head
    )
    model = build_segmenter(config, classes=3, seed=2)
    if presence_head:
        kernel = model.get_layer("presence").kernel
        kernel.assign(np.random.default_rng(0).normal(0, 0.01, kernel.shape))
    save_model(model, tmp_path / "a.keras")
    again = load_model(tmp_path / "a.keras")
    stride = config.stride
    assert stride == 4 * stem_stride
    for height, width in ((stride, 3 * stride), (5 * stride, stride)):
        sheets = np.random.default_rng(0).uniform(0, 255, (2, height, width, 1)).astype(np.float32)
        outputs, same = (one(sheets, training=False) for one in (model, again))
        assert isinstance(outputs, list) == presence_head
        if not presence_head:
            outputs, same = [outputs], [same]
        shapes = [(2, height, width, 3), (2, 3)][: len(outputs)]
        for output, other, shape in zip(outputs, same, shapes, strict=True):
            values = np.asarray(output)
            assert values.shape == shape and values.dtype == np.float32
            assert values.min() > 0
            assert values.max() < 1
            assert values.std() > 0
            np.testing.assert_array_equal(values, np.asarray(other))


def test_a_residual_stage_without_convolutions_passes_its_input_on():
    sheets = np.random.default_rng(0).uniform(0, 255, (1, 16, 16, 1)).astype(np.float32)

    def blind(residual: bool) -> bool:
        model = build_segmenter(UNetConfig(filters=(4, 4), residual=residual), classes=1, seed=2)
        for layer in model.layers:
            # All convolutions but the stem and those that only change the width.
            if "conv2d" in layer.name and layer.kernel.shape[:2] == (3, 3):
                layer.kernel.assign(np.zeros(layer.kernel.shape))
        return float(np.std(model(sheets, training=False))) < 1e-6

    assert blind(residual=False)
    assert not blind(residual=True)


def test_auxiliary_masks_are_coarser_and_no_part_of_the_model():
    config = UNetConfig(filters=(4, 4, 8, 8), presence_head=True, deep_supervision=True)
    assert config.auxiliary_strides == (4, 8)
    model = build_segmenter(config, classes=3, seed=2)
    fitted = add_auxiliary_masks(model, 2, classes=3, seed=2)
    outputs = fitted(np.zeros((2, 32, 48, 1), np.float32), training=False)
    shapes = [tuple(output.shape) for output in outputs]
    assert shapes == [(2, 32, 48, 3), (2, 3), (2, 8, 12, 3), (2, 4, 6, 3)]
    assert len(model.outputs) == 2
    shared = {id(weight) for weight in model.weights}
    assert len(fitted.weights) == len(model.weights) + 4
    assert shared < {id(weight) for weight in fitted.weights}


def test_upsampling_leaves_no_checkerboard():
    model = build_segmenter(UNetConfig(filters=(4, 8)), classes=2, seed=2)
    sheets = np.random.default_rng(0).uniform(0, 255, (8, 64, 64, 1)).astype(np.float32)
    maps = np.asarray(model(sheets, training=False))
    # A checkerboard gives pixels of even rows or columns another level than their neighbours.
    levels = [maps[:, row::2, column::2].mean((0, 1, 2)) for row in (0, 1) for column in (0, 1)]
    assert np.ptp(levels, axis=0).max() < 0.05 * maps.std()


def test_no_network_may_have_a_larger_stride_than_sheets_are_padded_to():
    assert UNetConfig(filters=(4, 8, 8, 8, 8)).stride == STRIDE
    assert UNetConfig(filters=(4, 8, 8, 8, 8), stem_stride=1).stride == STRIDE // 2
    with pytest.raises(ValidationError):
        UNetConfig(filters=(4, 8, 8, 8, 8, 8))
