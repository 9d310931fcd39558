"""Model files: read without running code from them, and written so that they can be read."""

import json
import zipfile
from pathlib import Path

import keras
import numpy as np

from steel_defects.errors import SteelDefectsError, shown
from steel_defects.files import replaced


def load_model(path: Path, original: Path | None = None) -> keras.Model:
    """Load a ``.keras`` file for inference, in safe mode; messages name the ``original`` of a copy.

    Raises:
        SteelDefectsError: The file is missing, damaged, too large for the memory, or holds code.
    """
    start = f"cannot load the model {original or path}"
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # each backend has an error of its own for what it has no room for
        line = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        reason = shown(line.replace(str(path), str(original or path)), 300)
        mend = _other_keras(path) or "restore it or make it again"
        raise SteelDefectsError(f"{start}: {reason}; {mend}") from error
    if not isinstance(model, keras.Model):
        raise SteelDefectsError(f"{start}: it holds {type(model).__name__}, which is no model")
    return model


def _other_keras(path: Path) -> str:
    """Say which Keras reads a model file; empty where it is the one that is installed."""
    try:
        with zipfile.ZipFile(path) as archive:
            written = str(json.loads(archive.read("metadata.json"))["keras_version"])
    except Exception:  # whatever a damaged file leads to; it is told already
        return ""
    if written == keras.__version__:
        return ""
    versions = f"it was written by Keras {shown(written)}, and {keras.__version__} is installed"
    return f"{versions}: pip install keras=={shown(written)}, or make it again"


def save_model(model: keras.Model, path: Path) -> keras.Model:
    """Write a model to a temporary file, read that, compare the weights, and put it in place.

    Returns:
        The model as it was read back: as any other process will load it.

    Raises:
        SteelDefectsError: What was written is not the model.
    """
    with replaced(path, ending=".tmp.keras") as temporary:
        model.save(temporary)
        loaded = load_model(temporary)
        pairs = zip(model.get_weights(), loaded.get_weights(), strict=True)
        if not all(np.array_equal(a, b, equal_nan=True) for a, b in pairs):
            raise SteelDefectsError(f"{path}: the weights that were written are not the model's")
        if not needs_keras_alone(temporary):
            raise SteelDefectsError(f"{path}: the model holds parts that Keras alone can't load")
    return loaded


def needs_keras_alone(path: Path) -> bool:
    """Say whether a ``.keras`` file names no class of this package.

    This process knows such classes, another may not: an optimizer, for example, that a compiled
    model keeps.
    """
    with zipfile.ZipFile(path) as archive:
        return b"steel_defects" not in archive.read("config.json")
