"""Exporting graphs to OpenVINO, ONNX and LiteRT, each with its own tools."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from steel_defects.deployment.graphs import FEW_CHANNELS
from steel_defects.package.manifest import Precision

#: Calibration sheets, ``(1, height, width, 1)`` each.
Batches = Sequence[NDArray[np.uint8]]

_WEIGHTED = ("Convolution", "GroupConvolution", "MatMul")
_ENDS = (*_WEIGHTED, "ShapeOf")  # a size is not computed from what layers put out


def export_openvino(graph: Any, path: Path) -> tuple[str, ...]:
    """Write a graph as an OpenVINO model in float32, ``.xml`` and ``.bin``."""
    import openvino

    whole = path.with_name(f"whole.{path.name}")
    graph.export(str(whole), format="openvino", verbose=False)
    model = openvino.Core().read_model(whole)
    # The converter adds every size that the graph computes to the outputs.
    results = [
        one.get_node()
        for one in model.outputs
        if any(name.startswith("Identity") for name in one.names)
    ]
    model = openvino.Model(results, model.get_parameters(), graph.name)
    openvino.save_model(model, path, compress_to_fp16=False)
    whole.unlink()
    whole.with_suffix(".bin").unlink()
    return path.name, path.with_suffix(".bin").name


def quantise_openvino(model: Path, path: Path, batches: Batches) -> tuple[str, ...]:
    """Write an OpenVINO model in 8 bits, weights a channel, activations as calibration sheets are.

    :func:`sensitive_layers` stay in float32, and ranges reach to the largest activation of all
    sheets rather than to a usual one: masks come three times as close, for a fifth more time.
    """
    import nncf
    import openvino
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    # Not nncf.set_log_level, which changes whatever handler another has put there, too.
    logging.getLogger("nncf").setLevel(logging.ERROR)
    whole = openvino.Core().read_model(model)
    quantised = nncf.quantize(
        whole,
        nncf.Dataset(batches),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(batches),
        ignored_scope=nncf.IgnoredScope(names=sensitive_layers(whole)),
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX
        ),
    )
    openvino.save_model(quantised, path, compress_to_fp16=False)
    return path.name, path.with_suffix(".bin").name


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
    names = {node.get_friendly_name() for node in [*first, *depthwise, *_last_layers(model)]}
    return sorted(names) if len(names) < len(layers) else []


def _last_layers(model: Any) -> Iterator[Any]:
    """Go from the outputs against the current, as far as a layer that mixes many channels."""
    waiting, seen = [result.input_value(0).get_node() for result in model.get_results()], set()
    while waiting:
        node = waiting.pop()
        kind, name = node.get_type_name(), node.get_friendly_name()
        if kind in _WEIGHTED and name not in seen:
            yield node
        goes_on = kind not in _ENDS
        if kind == "Convolution":  # of so few channels it may be part of enlarging the masks
            channels = node.input_value(1).get_partial_shape()[1]
            goes_on = channels.is_static and channels.get_length() <= FEW_CHANNELS
        if name not in seen and goes_on:
            waiting += [value.get_node() for value in node.input_values()]
        seen.add(name)


def multiplies_bfloat16() -> bool:
    """Say whether OpenVINO computes in bfloat16 on this processor."""
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def export_onnx(graph: Any, path: Path) -> tuple[str, ...]:
    """Write a graph as an ONNX model in float32."""
    signature = keras.InputSpec(shape=graph.input_shape, dtype="uint8", name="sheet")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tf2onnx, about names that NumPy has no more
        graph.export(str(path), format="onnx", input_signature=[signature], verbose=False)
    return (path.name,)


def quantise_onnx(model: Path, path: Path, batches: Batches) -> tuple[str, ...]:
    """Write an ONNX model in 8 bits; see :func:`quantise_openvino`."""
    import onnxruntime
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    onnxruntime.set_default_logger_severity(3)  # errors
    prepared = path.with_suffix(".prepared")
    # Folds batch norm into convolutions; sizes that are open are beyond its inference of shapes.
    quant_pre_process(model, prepared, skip_symbolic_shape=True)
    quantize_static(
        prepared, path, _Calibration(batches), quant_format=QuantFormat.QDQ, per_channel=True,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
    )  # fmt: skip
    prepared.unlink()
    return (path.name,)


class _Calibration:
    """Hands out calibration sheets the way ONNX Runtime asks for them."""

    def __init__(self, batches: Batches) -> None:
        self._inputs = iter([{"sheet": batch} for batch in batches])

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """Return the next sheet by the name of the input; None after the last."""
        return next(self._inputs, None)


def export_litert(
    graph: Any, path: Path, precision: Precision, batches: Batches
) -> tuple[str, ...]:
    """Write a graph as a LiteRT model.

    ``fp16`` halves the size of weights; ``int8`` quantises weights and activations, with ranges
    from calibration sheets.
    """
    import tensorflow as tf  # whose converter Keras hands the options to

    options: dict[str, Any] = {}
    if precision != "fp32":
        options["optimizations"] = [tf.lite.Optimize.DEFAULT]
    if precision == "fp16":
        options["target_spec"] = {"supported_types": [tf.float16]}
    elif precision == "int8":
        options["representative_dataset"] = lambda: ([batch] for batch in batches)
    graph.export(str(path), format="litert", verbose=False, **options)
    return (path.name,)
