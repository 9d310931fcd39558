"""Exporting to ONNX."""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray


def export_onnx(graph: Any, path: Path) -> tuple[str, ...]:
    """Write a graph as an ONNX model in float32."""
    signature = keras.InputSpec(shape=graph.input_shape, dtype="uint8", name="sheet")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tf2onnx, about names that NumPy has no more
        graph.export(str(path), format="onnx", input_signature=[signature], verbose=False)
    return (path.name,)


def quantise_onnx(model: Path, path: Path, batches: Sequence[NDArray[np.uint8]]) -> tuple[str, ...]:
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

    def __init__(self, batches: Sequence[NDArray[np.uint8]]) -> None:
        self._batches: Iterator[NDArray[np.uint8]] = iter(batches)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """Return the next sheet by the name of the input; None after the last."""
        batch = next(self._batches, None)
        return None if batch is None else {"sheet": batch}
