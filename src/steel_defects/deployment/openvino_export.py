"""Exporting to OpenVINO."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def export_openvino(graph: Any, path: Path) -> tuple[str, ...]:
    """Write a graph as an OpenVINO model in float32, ``.xml`` and ``.bin``."""
    import openvino

    whole = path.with_name(f"whole.{path.name}")
    with _nothing_sent():
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

    Args:
        model: The model in float32.
        path: Where the other goes.
        batches: Calibration sheets, ``(1, height, width, 1)`` each.
    """
    with _nothing_sent():
        import nncf
        import openvino

        # Not nncf.set_log_level, which changes whatever handler another has put there, too.
        logging.getLogger("nncf").setLevel(logging.ERROR)
        quantised = nncf.quantize(
            openvino.Core().read_model(model),
            nncf.Dataset(batches),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(batches),
        )
        openvino.save_model(quantised, path, compress_to_fp16=False)
    return path.name, path.with_suffix(".bin").name


def multiplies_bfloat16() -> bool:
    """Say whether OpenVINO computes in bfloat16 on this processor."""
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@contextmanager
def _nothing_sent() -> Iterator[None]:
    """Keep OpenVINO's and NNCF's tools from reporting to their makers that they are used."""
    try:
        from openvino_telemetry.utils.sender import TelemetrySender
    except ImportError:
        yield
        return
    send = TelemetrySender.send
    TelemetrySender.send = lambda *_, **__: None
    try:
        yield
    finally:
        TelemetrySender.send = send
