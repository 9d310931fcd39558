import numpy as np
import pytest

from steel_defects.deployment.converters import sensitive_layers

ov = pytest.importorskip("openvino", reason="OpenVINO is not installed")


def convolution(data, channels: int, name: str, depthwise: bool = False):
    """A 3×3 convolution of ``data`` with a name."""
    from openvino import opset13 as op

    inputs = data.get_output_partial_shape(0)[1].get_length()
    around = {"strides": [1, 1], "pads_begin": [1, 1], "pads_end": [1, 1], "dilations": [1, 1]}
    if depthwise:
        weights = op.constant(np.ones((inputs, 1, 1, 3, 3), np.float32))
        node = op.group_convolution(data, weights, **around)
    else:
        node = op.convolution(data, np.ones((channels, inputs, 3, 3), np.float32), **around)
    node.set_friendly_name(name)
    return node


def network(width: int):
    """Convolutions, one of them depthwise, to four channels that are smoothed in the end."""
    from openvino import opset13 as op

    sheet = op.parameter([1, 1, 16, 16], np.float32)
    x = convolution(sheet, width, "first")
    x = convolution(x, width, "depthwise", depthwise=True)
    middle = convolution(convolution(x, width, "expansion"), width, "projection")
    maps = convolution(convolution(middle, 4, "mask"), 4, "smoothing")
    presence = op.reduce_max(middle, np.array([2, 3]))
    presence = op.matmul(presence, np.ones((width, 4), np.float32), False, False)
    presence.set_friendly_name("presence")
    outputs = [op.sigmoid(maps), op.sigmoid(presence)]
    return ov.Model(outputs, [sheet], "network")


def test_the_ends_and_depthwise_convolutions_stay_in_float():
    kept = ["depthwise", "first", "mask", "presence", "smoothing"]
    assert sensitive_layers(network(16)) == kept


def test_a_network_of_nothing_else_is_quantised_as_a_whole():
    assert sensitive_layers(network(4)) == []
