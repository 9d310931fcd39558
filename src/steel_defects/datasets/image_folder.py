"""Folders of pictures in the catalog: read and written one picture at a time."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from itertools import islice
from typing import Any

import cv2
import numpy as np
from kedro.io.core import DatasetError
from kedro_datasets._typing import ImagePreview

from steel_defects.datasets.folder import LocalDataset, ReadOnlyDataset
from steel_defects.errors import SteelDefectsError
from steel_defects.files import check_target, replaced_contents, visible, was_replacing
from steel_defects.images.folder import SheetFolder
from steel_defects.images.reading import UnreadableSheet, decode_gray, to_jpeg
from steel_defects.inspection.sources import FolderSource, ListSource, open_source
from steel_defects.threads import map_in_order

Picture = np.ndarray[Any, np.dtype[np.uint8]]
#: Makes a picture, or the bytes of a picture file.
MakePicture = Callable[[], Picture | bytes]

_MANIFEST = ".complete.json"
_SHEET_WIDTH = 1200  # of a contact sheet, pixels


class ImageFolderDataset(LocalDataset[Mapping[str, MakePicture], SheetFolder]):
    """A folder of pictures, which loads as a lazy :class:`SheetFolder`.

    Saving takes a mapping of file names to functions that make the pictures. Each core makes and
    writes one at a time, into a temporary folder; its pictures take the place of the old ones when
    all are written. A folder that the catalog wrote counts as there only once it is whole.
    ``subfolder`` is the one in it that is written; ``follow_links`` and ``bit_depth`` are as in
    :class:`SheetFolder`.
    """

    def __init__(
        self,
        *,
        filepath: str,
        subfolder: str = "",
        follow_links: bool = False,
        bit_depth: int | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._pictures = self._filepath / subfolder
        self._follow_links, self._bit_depth = follow_links, bit_depth

    def load(self) -> SheetFolder:
        """List the pictures; none is read yet."""
        folder = self._folder()
        if not self._is_whole(folder):
            raise DatasetError(f"there are no pictures in {folder.picture_folder}")
        return folder

    def save(self, data: Mapping[str, MakePicture]) -> None:
        """Make and write the pictures; refuse what :meth:`check_target` refuses."""
        self.check_target()
        with replaced_contents(self._pictures, last=_MANIFEST) as temporary:

            def write(name: str) -> None:
                path = temporary / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(_encoded(data[name](), path.suffix))

            for _ in map_in_order(write, data):
                pass
            manifest = json.dumps({"pictures": len(data)})
            (temporary / _MANIFEST).write_text(manifest, encoding="utf-8")

    def check_target(self) -> None:
        """Look at the folder before pictures are made.

        Raises:
            SteelDefectsError: It cannot be written, or holds files that the catalog did not write.
        """
        folder = self._pictures
        check_target(folder, folder=True)
        if not folder.is_dir() or (folder / _MANIFEST).is_file() or not visible(folder):
            return
        if not was_replacing(folder, _MANIFEST):
            raise SteelDefectsError(
                f"{folder} holds files that were not made here, which are not overwritten; "
                "move them elsewhere"
            )

    def preview(self, rows: int = 6) -> ImagePreview:
        """Draw a contact sheet of the first pictures that can be read, for kedro-viz."""
        return contact_sheet(self._folder(), rows)

    def _folder(self) -> SheetFolder:
        return SheetFolder(
            self._filepath, follow_links=self._follow_links, bit_depth=self._bit_depth
        )

    def _exists(self) -> bool:
        folder = self._folder()
        return folder.picture_folder.is_dir() and self._is_whole(folder)

    def _is_whole(self, folder: SheetFolder) -> bool:
        # A folder that was written whole may be empty: there was nothing to draw.
        return len(folder) > 0 or (self._pictures / _MANIFEST).is_file()


def contact_sheet(folder: SheetFolder, rows: int = 6) -> ImagePreview:
    """Draw the first pictures of a folder that can be read, one below the other."""
    strips = list(islice(_strips(folder), rows))
    png = cv2.imencode(".png", np.vstack(strips))[1] if strips else np.zeros(0, np.uint8)
    return ImagePreview(base64.b64encode(png.tobytes()).decode())


def _encoded(picture: Picture | bytes, ending: str) -> bytes:
    if isinstance(picture, bytes):
        return picture
    if ending.lower() in (".jpg", ".jpeg"):
        return to_jpeg(picture, quality=95)
    return bytes(cv2.imencode(ending, picture)[1])


def _strips(folder: SheetFolder) -> Iterator[Picture]:
    """Read pictures in colour, as wide as the contact sheet."""
    for sheet_id in folder.sheet_ids:
        try:
            data = folder.read_file(sheet_id)
            gray = decode_gray(data)  # which refuses what would take all memory
        except UnreadableSheet:
            continue
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            image = cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
        height = max(1, round(image.shape[0] * _SHEET_WIDTH / image.shape[1]))
        strip = cv2.resize(image, (_SHEET_WIDTH, height), interpolation=cv2.INTER_AREA)
        yield np.asarray(
            cv2.copyMakeBorder(strip, 0, 6, 0, 0, cv2.BORDER_CONSTANT, value=(255,) * 3), np.uint8
        )


class SheetSourceDataset(ReadOnlyDataset[FolderSource | ListSource | None]):
    """A folder of pictures, or a text file with one path per line; nothing is listed yet.

    ``follow_links`` is as in :class:`SheetFolder`; it is not for a list. With ``optional`` it
    loads as None where there are neither.
    """

    def __init__(
        self,
        *,
        filepath: str,
        follow_links: bool = False,
        optional: bool = False,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._follow_links, self._optional = follow_links, optional

    def load(self) -> FolderSource | ListSource | None:
        """Open the folder or the list."""
        return None if self._optional and not self._filepath.exists() else self._source

    @cached_property
    def _source(self) -> FolderSource | ListSource:
        """Opened once: all nodes of a run read the same picture folder, whatever comes later."""
        return open_source(self._filepath, self._follow_links)

    def preview(self) -> ImagePreview:
        """Draw a contact sheet of the first pictures that can be read, for kedro-viz."""
        return contact_sheet(SheetFolder(self._filepath))

    def _exists(self) -> bool:
        # To the check of inputs before a run, which would end it where there is nothing.
        return self._optional or self._filepath.exists()
