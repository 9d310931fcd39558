"""Parts of the sheets that networks learn from, tune by and never see, such as folds.

A network of such parts is kept on disk until all of them are trained, so that one that was finished
before a kill is not trained again.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import keras
import numpy as np
import pandas as pd

from steel_defects.data.segmenter_only import apart_from, divided
from steel_defects.data.splits import assign_groups
from steel_defects.errors import SteelDefectsError
from steel_defects.models.files import save_model
from steel_defects.training.checkpoints import fingerprint_of
from steel_defects.training.jobs import ClassifierRecipe, SegmenterRecipe
from steel_defects.training.labelled_sheets import LabelledSheets
from steel_defects.training.labelled_tiles import LabelledTiles

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parts:
    """Sheets by their ids: to learn from, to tune by, and held out of both.

    The label, such as ``repeat_0_fold_1``, names them in the log and in files.
    """

    label: str
    training: list[str]
    validation: list[str]
    held_out: list[str]


@dataclass(frozen=True)
class Fold(Parts):
    """The parts of a fold of a cross-validation."""

    repeat: int
    number: int


def folds_of(
    splits: pd.DataFrame, strata: Mapping[str, str], repeats: int, share: float, seed: int
) -> Iterator[Fold]:
    """Yield the folds of some repeats; each takes whole groups of its training for validation.

    That is a ``share`` of them, 0 to 1. The hold-out split plays no part. ``splits`` holds
    ``sheet_id, group_id, split, fold``, and ``strata`` the kind of each sheet that takes part.
    Sheets for segmenters alone train in each fold whose other sheets they do not resemble.

    Raises:
        SteelDefectsError: ``splits`` was made for fewer repeats.
    """
    everything, splits = splits, divided(splits, splits)
    known = splits["fold"].map(len).min()
    if known < repeats:
        raise SteelDefectsError(
            f"splits holds {known} repeats, and {repeats} are wanted; "
            "raise cross_validation.repeats and run the pipeline data_engineering again"
        )
    splits = splits[splits["sheet_id"].isin(set(strata))]
    for repeat in range(repeats):
        numbers = splits["fold"].map(lambda folds, repeat=repeat: int(folds[repeat]))
        for number in sorted(numbers.unique()):
            rest, label = splits[numbers != number], f"repeat_{repeat}_fold_{number}"
            training, validation = split_off_validation(rest, strata, share, seed)
            held_out = splits.loc[numbers == number, "sheet_id"].tolist()
            training += apart_from(validation + held_out, everything)
            yield Fold(label, training, validation, held_out, repeat=repeat, number=int(number))


def split_off_validation(
    sheets: pd.DataFrame, strata: Mapping[str, str], share: float, seed: int
) -> tuple[list[str], list[str]]:
    """Return the ids of sheets to learn from, and of a ``share`` of them, 0 to 1, to tune by.

    Groups stay whole, and each part gets its share of every kind. ``sheets`` holds ``sheet_id,
    group_id``, and ``strata`` the kind of each.
    """
    shares = {"training": 1 - share, "validation": share}
    kinds = [strata[sheet_id] for sheet_id in sheets["sheet_id"]]
    part = np.array(assign_groups(sheets["group_id"].tolist(), kinds, shares, seed))
    training, validation = (sheets.loc[part == name, "sheet_id"].tolist() for name in shares)
    return training, validation


# === Networks of parts ===


Labelled = TypeVar("Labelled", LabelledSheets, LabelledTiles)
AnyParts = TypeVar("AnyParts", bound=Parts)


@dataclass(frozen=True)
class Trained(Generic[AnyParts, Labelled]):
    """Parts of the sheets with the file of their network, and the sheets or their tiles."""

    parts: AnyParts
    model: Path
    training: Labelled
    validation: Labelled
    held_out: Labelled


def train_parts(
    name: str,
    data: Labelled,
    parts: Iterable[AnyParts],
    recipe: ClassifierRecipe | SegmenterRecipe,
    folder: Path,
    train: Callable[[Labelled, Labelled, Path], keras.Model],
) -> Iterator[Trained[AnyParts, Labelled]]:
    """Train a network for each of several parts, unless that was done before a kill.

    Networks and checkpoints are kept in a folder, which the caller removes when all are done;
    training takes the sheets to learn from and to tune by, and a folder for its checkpoint.
    """
    for one in parts:
        logger.info("%s: %s", name, one.label.replace("_", " "))
        subsets = [data.subset(ids) for ids in (one.training, one.validation, one.held_out)]
        fingerprint = fingerprint_of(recipe.content, *(subset.content for subset in subsets))
        path = folder / f"{one.label}_{fingerprint[:16]}.keras"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            save_model(train(subsets[0], subsets[1], folder / one.label), path)
        yield Trained(one, path, *subsets)
