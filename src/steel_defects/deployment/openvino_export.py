"""Exporting to OpenVINO."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steel_defects.deployment.graphs import FEW_CHANNELS

_WEIGHTED = ("Convolution", "GroupConvolution", "MatMul")
_ENDS = (*_WEIGHTED, "ShapeOf")  # a size is not computed from what layers put out


def export_openvino(graph: Any, path: Path) -> tuple[str, ...]:
    """Write a graph as an OpenVINO model in float32, ``.xml`` and ``.bin``."""
    import openvino

    whole = path.with_name(f"whole.{path.name}")
    graph.export(str(whole), format="openvino", verbose=False)
    model = openvino.Core().read_model(whole)
    # The converter adds every size that the graph computes to the outputs.
    kept = [one for one in model.outputs if any(n.startswith("Identity") for n in one.names)]
    results = [one.get_node() for one in kept]
    openvino.save_model(
        openvino.Model(results, model.get_parameters(), graph.name), path, compress_to_fp16=False
    )
    whole.unlink()
    whole.with_suffix(".bin").unlink()
    return path.name, path.with_suffix(".bin").name


def quantise_openvino(
    model: Path, path: Path, batches: Sequence[NDArray[np.uint8]]
) -> tuple[str, ...]:
    """Write an OpenVINO model in 8 bits, weights a channel, activations as calibration sheets are.

    :func:`sensitive_layers` stay in float32, and ranges reach to the largest activation of all
    sheets rather than to a usual one: masks come three times as close, for a fifth more time.

    Args:
        model: The model in float32.
        path: Where the other goes.
        batches: Calibration sheets, ``(1, height, width, 1)`` each.
    """
    import nncf
    import openvino

    # Not nncf.set_log_level, which changes whatever handler another has put there, too.
    logging.getLogger("nncf").setLevel(logging.ERROR)
    whole = openvino.Core().read_model(model)
    quantised = nncf.quantize(
        whole,
        nncf.Dataset(batches),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(batches),
        ignored_scope=nncf.IgnoredScope(names=sensitive_layers(whole)),
        advanced_parameters=_whole_ranges(),
    )
    openvino.save_model(quantised, path, compress_to_fp16=False)
    return path.name, path.with_suffix(".bin").name


def _whole_ranges() -> Any:
    from nncf import AdvancedQuantizationParameters
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    return AdvancedQuantizationParameters(
        activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX
    )


def sensitive_layers(model: Any) -> list[str]:
    """Name the layers of an OpenVINO model that stay in float32 when it is quantised.

    These are depthwise convolutions, whose ranges differ most from channel to channel (Sheng et al.
    2018, arXiv:1803.08607); the first convolution, which sees gray values, with what resizes them;
    and of each output the last layer that mixes more than a few channels, with all that follows it.
    Together they are few of the operations; a network of nothing else is quantised as a whole.
    """
    layers = [node for node in model.get_ordered_ops() if node.get_type_name() in _WEIGHTED]
    kinds = [node.get_type_name() for node in layers]
    first = layers[: kinds.index("Convolution") + 1] if "Convolution" in kinds else []
    depthwise = [node for node in layers if node.get_type_name() == "GroupConvolution"]
    kept = {node.get_friendly_name() for node in [*first, *depthwise, *_last_layers(model)]}
    return sorted(kept) if len(kept) < len(layers) else []


def _last_layers(model: Any) -> Iterator[Any]:
    """Go from the outputs against the current, as far as a layer that mixes many channels."""
    waiting, seen = [result.input_value(0).get_node() for result in model.get_results()], set()
    while waiting:
        node = waiting.pop()
        kind, name = node.get_type_name(), node.get_friendly_name()
        if kind in _WEIGHTED and name not in seen:
            yield node
        if name not in seen and (kind not in _ENDS or _mixes_few(node)):
            waiting += [value.get_node() for value in node.input_values()]
        seen.add(name)


def _mixes_few(layer: Any) -> bool:
    """Tell whether a layer mixes so few channels that it may be part of enlarging the masks."""
    if layer.get_type_name() != "Convolution":
        return False
    channels = layer.input_value(1).get_partial_shape()[1]
    return bool(channels.is_static and channels.get_length() <= FEW_CHANNELS)


def multiplies_bfloat16() -> bool:
    """Say whether OpenVINO computes in bfloat16 on this processor."""
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
