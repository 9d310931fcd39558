"""The state of a training on disk, so that it goes on after being killed."""

import hashlib
import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from steel_defects.errors import SteelDefectsError
from steel_defects.files import force, replaced

State = list[NDArray[np.generic]]


@dataclass
class Progress:
    """How far a training has come.

    Attributes:
        epoch: Epochs done.
        best_epoch: The epoch with the lowest validation loss, counted from 1; 0 before any.
        best_loss: That loss.
        history: One row per epoch.
        finished: Whether there is nothing more to do.
    """

    epoch: int = 0
    best_epoch: int = 0
    best_loss: float = float("inf")
    history: list[dict[str, float]] = field(default_factory=list)
    finished: bool = False


def fingerprint_of(*parts: object) -> str:
    """Digest these parts, JSON or of a stable text, and the code of models and training."""
    text = json.dumps([parts, _code_digest()], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _code_digest() -> str:
    package = Path(__file__).parents[1]
    files = sorted([*package.glob("models/*.py"), *package.glob("training/**/*.py")])
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


class Checkpoint:
    """A file that holds all of a training's state between two epochs.

    Weights, optimizer, seeds of dropout, the best weights so far and the progress lie in one file,
    which is replaced at once. A checkpoint of other data, parameters or code, which make up its
    fingerprint, is refused.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path, self.fingerprint = path, fingerprint

    def save(self, model: keras.Model, best: State, progress: Progress) -> None:
        """Write the state; the old file lives until the new one is whole."""
        header = json.dumps({"fingerprint": self.fingerprint, **vars(progress)})
        arrays: dict[str, Any] = {f"state_{i}": v for i, v in enumerate(state_of(model))}
        arrays |= {f"best_{i}": value for i, value in enumerate(best)}
        with replaced(self.path) as temporary, temporary.open("wb") as file:
            np.savez(file, header=np.array(header), **arrays)
            file.flush()
            force(temporary)

    def restore(self, model: keras.Model) -> tuple[State, Progress] | None:
        """Put the state back into a compiled model whose optimizer is built.

        Returns:
            The best weights so far and the progress; None where there is no checkpoint.

        Raises:
            SteelDefectsError: The checkpoint belongs to another training.
        """
        if not self.path.is_file():
            return None
        with np.load(self.path, allow_pickle=False) as stored:
            header = json.loads(str(stored["header"]))
            if header.pop("fingerprint") != self.fingerprint:
                raise SteelDefectsError(
                    f"{self.path} was left by a training with other data, parameters or code; "
                    "delete it to start anew"
                )
            for number, variable in enumerate(_variables(model)):
                variable.assign(stored[f"state_{number}"])
            best = [stored[f"best_{i}"] for i in range(sum(n[:5] == "best_" for n in stored.files))]
        return best, Progress(**header)

    def remove(self) -> None:
        """Delete the file, once the training's result is safe elsewhere."""
        self.path.unlink(missing_ok=True)


def _variables(model: keras.Model) -> list[keras.Variable]:
    return [*model.variables, *model.optimizer.variables]


def state_of(model: keras.Model) -> State:
    """Copy a model's weights and seeds of dropout, and its optimizer's variables, to NumPy."""
    return [to_numpy(variable) for variable in _variables(model)]


def weights_of(model: keras.Model) -> State:
    """Copy a model's weights to NumPy."""
    return [to_numpy(variable) for variable in model.weights]


def to_numpy(variable: keras.Variable) -> NDArray[np.generic]:
    """Copy a variable; bfloat16, which NumPy's files can't hold, becomes float32."""
    value = keras.ops.convert_to_numpy(variable)
    return value.astype(np.float32) if value.dtype.name == "bfloat16" else np.array(value)
