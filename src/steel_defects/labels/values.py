"""What labels call classes, before anybody has said what the classes are."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from steel_defects.errors import SteelDefectsError
from steel_defects.labels.mask_folder import MaskFolder, mask_values
from steel_defects.labels.severstal import class_number, normalise_columns
from steel_defects.labels.shapes import PictureLabels

_LOOKED_AT = 400  # masks that are opened at most, spread over all
_MOST_CLASSES = 32  # more values in masks than this are soft edges
_MIDDLE = 128


@dataclass(frozen=True)
class LabelValues:
    """Classes as labels have them.

    Attributes:
        class_names: Of classes 1, 2, …
        mask_values: Class of each value of masks; None where values are the classes.
        mask_threshold: Least value of a defect; None where masks are not soft.
    """

    class_names: tuple[str, ...]
    mask_values: Mapping[int, int] | None = None
    mask_threshold: int | None = None


def of_rows(raw: pd.DataFrame) -> LabelValues:
    """Read them from Severstal's CSV; see :func:`normalise_columns`.

    Raises:
        SteelDefectsError: No row gives a class.
    """
    texts = sorted(set(normalise_columns(raw)["class_id"]))
    numbers = [class_number(text) for text in texts]
    if texts and all(numbers):
        return LabelValues(_numbered(max(filter(None, numbers))))
    return LabelValues(_some(texts))


def of_shapes(labels: Iterable[PictureLabels | str]) -> LabelValues:
    """Read them from files of labelling tools.

    Raises:
        SteelDefectsError: No shape gives a class.
    """
    read = (one for one in labels if isinstance(one, PictureLabels))
    names = {shape.class_name for one in read for shape in one.shapes}
    numbers = [name for name in names if isinstance(name, int)]
    if numbers:
        return LabelValues(_numbered(max(numbers)))
    return LabelValues(_some(sorted(map(str, names))))


def of_masks(folder: MaskFolder) -> LabelValues:
    """Read them from masks as pictures; those that can't be read are left out.

    Raises:
        SteelDefectsError: No mask has a value but 0.
    """
    stems = sorted(folder.files)
    found: set[int] = set()
    for stem in stems[:: max(1, len(stems) // _LOOKED_AT)]:
        found |= mask_values(folder, stem)
    values = sorted(found - {0})
    if len(values) > _MOST_CLASSES:
        return LabelValues(("defect",), mask_threshold=_MIDDLE)
    if values and values[-1] <= _MOST_CLASSES:
        return LabelValues(_numbered(values[-1]))
    names = ("defect",) if len(values) == 1 else _some(_numbered(len(values)))
    return LabelValues(names, {value: k for k, value in enumerate(values, start=1)})


def _numbered(classes: int) -> tuple[str, ...]:
    return tuple(f"class {k}" for k in range(1, int(np.clip(classes, 0, _MOST_CLASSES)) + 1))


def _some(names: Iterable[str]) -> tuple[str, ...]:
    names = tuple(names)
    if not names:
        raise SteelDefectsError("the labels have no defect, so that there are no classes to learn")
    return names
