"""Model files: read without running code from them, and written so that they can be read."""

import zipfile
import zlib
from pathlib import Path

import keras
import numpy as np

from steel_defects.errors import SteelDefectsError
from steel_defects.files import replaced


def load_model(path: Path) -> keras.Model:
    """Load a ``.keras`` file for inference, in safe mode.

    Raises:
        SteelDefectsError: The file is missing, damaged, or holds code.
    """
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        reason = (str(error).splitlines() or ["unknown reason"])[0]
        raise SteelDefectsError(f"cannot load the model {path}: {reason}") from error


def save_model(model: keras.Model, path: Path) -> None:
    """Write a model to a temporary file, read that, compare the weights, and put it in place.

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


def needs_keras_alone(path: Path) -> bool:
    """Say whether a ``.keras`` file names no class of this package.

    This process knows such classes, another may not: an optimizer, for example, that a compiled
    model keeps.
    """
    with zipfile.ZipFile(path) as archive:
        return b"steel_defects" not in archive.read("config.json")
