"""Reading model files without running code from them."""

from pathlib import Path

import keras

from steel_defects.errors import SteelDefectsError


def load_model(path: Path) -> keras.Model:
    """Load a ``.keras`` file for inference, in safe mode.

    Raises:
        SteelDefectsError: The file is missing, damaged, or holds code.
    """
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = (str(error).splitlines() or ["unknown reason"])[0]
        raise SteelDefectsError(f"cannot load the model {path}: {reason}") from error
