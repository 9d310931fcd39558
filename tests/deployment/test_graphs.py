"""Exported graphs answer as the trained networks do, with all that comes before and after."""

import keras
import numpy as np
import pytest
from tests.deployment.conftest import INPUT, build_gate, vary

from steel_defects.deployment.export import fitting_size
from steel_defects.deployment.graphs import (
    DoubleSmoothly,
    PadToStride,
    RepeatPixels,
    Resize,
    as_float32,
    gate_graph,
    segmenter_graph,
)
from steel_defects.images.reading import resize
from steel_defects.models.config import UNetConfig
from steel_defects.models.segmenters import build_segmenter
from steel_defects.prediction.inference import predict_sheet, sheet_batch

RNG = np.random.default_rng(3)


def sheet(height: int, width: int) -> np.ndarray:
    return RNG.integers(0, 256, (height, width), np.uint8)


@pytest.mark.parametrize("size", [(64, 128), (96, 192), (32, 64)])
def test_a_gate_reduces_sheets_of_a_whole_multiple_as_inspection_does(size):
    gate, image = build_gate(), sheet(*size)
    small = resize(image, INPUT).astype(np.float32)[None, ..., None]
    graph = gate_graph(gate, INPUT, fitting_size(size, INPUT))
    assert graph.input_shape == (None, *size, 1)
    answer = graph.predict_on_batch(image[None, ..., None])
    np.testing.assert_allclose(answer, gate.predict_on_batch(small), atol=1e-6)


@pytest.mark.parametrize("size", [(64, 128), (70, 101), (20, 30), (40, 50), (32, 64)])
def test_a_graph_resizes_sheets_of_any_size_as_inspection_does(size):
    image = sheet(*size)
    found = keras.ops.convert_to_numpy(Resize(INPUT)(image[None, ..., None].astype(np.float32)))
    # A mean that falls on a half may go either way; nothing else may.
    difference = np.abs(found[0, ..., 0] - resize(image, INPUT))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.002


def test_only_whole_multiples_fit():
    assert fitting_size((64, 128), INPUT) == (64, 128)
    assert fitting_size((64, 130), INPUT) is None
    assert fitting_size((16, 32), INPUT) is None
    assert fitting_size(None, INPUT) is None


@pytest.mark.parametrize("size", [(64, 96), (45, 71), (5, 40)])
def test_a_graph_pads_as_inspection_does(size):
    image = sheet(*size)
    found = keras.ops.convert_to_numpy(PadToStride(32)(image[None, ..., None]))
    np.testing.assert_array_equal(found, sheet_batch(image))


@pytest.mark.slow
@pytest.mark.parametrize("presence", [True, False])
def test_a_segmenter_s_graph_takes_sheets_as_they_are(presence):
    model = vary(build_segmenter(UNetConfig(filters=(4, 8, 8), presence_head=presence), 3, 0))
    graph, image = segmenter_graph(model), sheet(45, 71)
    outputs = graph.predict_on_batch(image[None, ..., None])
    maps = outputs[0] if presence else outputs
    known = predict_sheet(model.predict_on_batch, image)
    assert maps.shape == (1, 45, 71, 3)
    assert np.abs(np.rint(maps[0] * 255) - known.maps).max() <= 1
    if presence:
        np.testing.assert_allclose(outputs[1][0], known.presence, atol=1e-6)


@pytest.mark.slow
def test_faster_layers_are_equal_ones():
    model = vary(build_segmenter(UNetConfig(filters=(4, 8, 8)), 3, 0))
    fast = as_float32(model)
    kinds = [type(layer) for layer in fast.layers]
    assert kinds.count(RepeatPixels) == 2
    assert kinds.count(DoubleSmoothly) == 1
    assert keras.layers.UpSampling2D not in kinds
    image = sheet(64, 96).astype(np.float32)[None, ..., None]
    np.testing.assert_allclose(
        fast.predict_on_batch(image), model.predict_on_batch(image), atol=2e-6
    )


def test_a_network_trained_in_bfloat16_is_exported_in_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = vary(build_segmenter(UNetConfig(filters=(4, 8)), 1, 0))
    finally:
        keras.config.set_dtype_policy("float32")
    copy = as_float32(model)
    assert {layer.compute_dtype for layer in copy.layers} == {"float32"}
    for mine, theirs in zip(copy.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
