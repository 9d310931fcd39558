"""Which weights a score, a threshold or a setting belongs to; free of Keras.

Records and the ``attrs`` of tables, which Parquet files keep, hold it under ``models``: for the
gate, the segmenter or both, the name of the network and a digest of its weights.
"""

import hashlib
import logging
from typing import Any

import numpy as np
import pandas as pd

from steel_defects.errors import SteelDefectsError

logger = logging.getLogger(__name__)

Stamp = dict[str, dict[str, str]]

#: The node from which on a run makes all that depends on a network's weights.
_FIRST_NODES = {"gate": "score_sheets", "segmenter": "predict_probabilities"}


def stamp_of(**networks: Any) -> Stamp:
    """Name models, ``gate`` or ``segmenter``, by their weights, whatever file these lie in."""
    return {"models": {network: _identity(model) for network, model in networks.items()}}


def _identity(model: Any) -> str:
    digest = hashlib.sha256()
    for values in model.get_weights():
        digest.update(np.ascontiguousarray(values).tobytes())
    return f"{model.name} {digest.hexdigest()}"


def common_stamp(**records: Any) -> Stamp:
    """Return the models that records belong to.

    Args:
        records: Stamps, or what holds one: records, tables and the like with ``attrs``. None and
            empty tables do not count; those of earlier releases have none, which is told.

    Raises:
        SteelDefectsError: Two of them belong to different weights of a network.
    """
    models: dict[str, str] = {}
    source: dict[str, str] = {}
    unknown = []
    for name, record in records.items():
        if record is None or (isinstance(record, pd.DataFrame) and not len(record)):
            continue
        stamp = _stamp_in(record)
        if not stamp:
            unknown.append(name)
        for network, identity in (stamp or {}).items():
            if models.setdefault(network, identity) != identity:
                node = f"{models[network].split()[0]}.{_FIRST_NODES[network]}"
                raise SteelDefectsError(
                    f"{name} belongs to other weights of the {network} than {source[network]}, as "
                    f"after a training that was killed; run again with --from-nodes={node}"
                )
            source.setdefault(network, name)
    if unknown:
        logger.warning(
            "%s: written by an earlier release, which did not note the weights that it belongs to; "
            "if a model was trained since, run again from score_sheets (of a gate) or "
            "predict_probabilities (of a segmenter) on",
            ", ".join(unknown),
        )
    return {"models": models} if models else {}


def _stamp_in(record: Any) -> dict[str, str]:
    """Find the stamp of a dictionary, of a record, or of a table and the like."""
    if isinstance(record, dict):
        return record.get("models", {})
    return getattr(record, "attrs", {}).get("models") or getattr(record, "models", {})
