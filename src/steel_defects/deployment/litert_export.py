"""Exporting to LiteRT."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steel_defects.package.manifest import Precision


def export_litert(
    graph: Any, path: Path, precision: Precision, batches: Sequence[NDArray[np.uint8]]
) -> tuple[str, ...]:
    """Write a graph as a LiteRT model.

    Args:
        graph: Gray sheets to outputs.
        path: Where the model goes.
        precision: ``fp32``; ``fp16`` for weights of half the size; ``int8`` for weights and
            activations in 8 bits, as calibration sheets are.
        batches: Calibration sheets, ``(1, height, width, 1)`` each.
    """
    graph.export(str(path), format="litert", verbose=False, **_options(precision, batches))
    return (path.name,)


def _options(precision: Precision, batches: Sequence[NDArray[np.uint8]]) -> dict[str, Any]:
    import tensorflow as tf  # whose converter Keras hands these to

    if precision == "fp32":
        return {}
    options: dict[str, Any] = {"optimizations": [tf.lite.Optimize.DEFAULT]}
    if precision == "fp16":
        return options | {"target_spec": {"supported_types": [tf.float16]}}

    def representative() -> Iterator[list[NDArray[np.uint8]]]:
        yield from ([batch] for batch in batches)

    return options | {"representative_dataset": representative}
