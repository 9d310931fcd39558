"""A folder of pictures, listed at once and read one picture at a time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from steel_defects.errors import SteelDefectsError
from steel_defects.sheets.reading import PICTURE_ENDINGS, read_gray

# Where data sets keep their pictures, in order of preference.
_PICTURE_FOLDERS = ("train_images", "images")


@dataclass(frozen=True)
class SheetFolder(Mapping[str, NDArray[np.uint8]]):
    """Pictures below a data folder, by sheet id; a picture is read when it is asked for.

    The pictures lie in ``train_images/`` or ``images/`` of the folder, or else in the folder
    itself. A sheet's id is its path below the picture folder, POSIX, with its ending.

    Attributes:
        root: The data folder.
    """

    root: Path

    @cached_property
    def picture_folder(self) -> Path:
        """The folder that holds the pictures."""
        for name in _PICTURE_FOLDERS:
            if (self.root / name).is_dir():
                return self.root / name
        return self.root

    @cached_property
    def sheet_ids(self) -> list[str]:
        """Ids of all pictures, sorted."""
        folder = self.picture_folder
        if not folder.is_dir():
            raise SteelDefectsError(f"there is no folder {folder}")
        found = (path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_ENDINGS)
        return sorted(path.relative_to(folder).as_posix() for path in found if path.is_file())

    def path_of(self, sheet_id: str) -> Path:
        """Return the file of a sheet."""
        return self.picture_folder / sheet_id

    def relative_path(self, sheet_id: str) -> str:
        """Return a sheet's path below the data folder, POSIX."""
        return self.path_of(sheet_id).relative_to(self.root).as_posix()

    def read(self, relative_path: str) -> NDArray[np.uint8]:
        """Read a picture, named as the ``path`` column of the ``sheets`` table names it."""
        return read_gray(self.root / relative_path)

    def __getitem__(self, sheet_id: str) -> NDArray[np.uint8]:
        """Read a sheet as a gray picture of shape ``(height, width)``, uint8."""
        if not self.path_of(sheet_id).is_file():
            raise KeyError(sheet_id)
        return read_gray(self.path_of(sheet_id))

    def __contains__(self, sheet_id: object) -> bool:
        # Mapping's own would read the picture, and fail at a broken one.
        return isinstance(sheet_id, str) and self.path_of(sheet_id).is_file()

    def __iter__(self) -> Iterator[str]:
        return iter(self.sheet_ids)

    def __len__(self) -> int:
        return len(self.sheet_ids)
