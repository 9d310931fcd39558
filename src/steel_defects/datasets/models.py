"""Models and model packages in the catalog."""

import glob
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from kedro.io.core import AbstractVersionedDataset, DatasetError, Version, get_filepath_str

from steel_defects.datasets.folder import FolderTarget, LocalDataset
from steel_defects.errors import SteelDefectsError
from steel_defects.package.folder import ModelPackage, has_package, read_package, write_package
from steel_defects.package.manifest import Manifest

_NO_MODEL = b"no model: "


def is_placeholder(path: Path) -> bool:
    """Say whether an earlier release wrote this file where no model was trained."""
    with path.open("rb") as file:
        return file.read(len(_NO_MODEL)) == _NO_MODEL


def read_model(path: Path) -> Any:
    """Read a model, compiled for nothing but inference.

    Raises:
        SteelDefectsError: The file is a placeholder of an earlier release.
    """
    if is_placeholder(path):
        raise SteelDefectsError(
            f"{path} holds no model: an earlier release wrote it where none was trained; "
            f"delete {path.parent}, or train the model"
        )
    from steel_defects.models.files import load_model

    return load_model(path)


class KerasModelDataset(AbstractVersionedDataset[Any, Any]):
    """Saves a model as ``.keras`` and loads it without running code from the file.

    A model is written beside its place, read back, compared weight by weight, and only then moved
    there: what the catalog holds can be loaded.
    """

    def __init__(
        self,
        *,
        filepath: str,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Name the file; it lies on a local disk and ends in ``.keras``."""
        self.metadata = metadata
        super().__init__(
            filepath=PurePosixPath(filepath),
            version=version,
            exists_function=os.path.exists,
            glob_function=glob.glob,
        )

    def load(self) -> Any:
        """Read the model, compiled for nothing but inference."""
        return read_model(Path(get_filepath_str(self._get_load_path(), "file")))

    def save(self, data: Any) -> None:
        """Write the model and check that it can be read back."""
        path = Path(get_filepath_str(self._get_save_path(), "file"))
        path.parent.mkdir(parents=True, exist_ok=True)
        from steel_defects.models.files import save_model

        save_model(data, path)

    def _exists(self) -> bool:
        try:
            return Path(get_filepath_str(self._get_load_path(), "file")).is_file()
        except DatasetError:
            return False

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "version": self._version}


@dataclass(frozen=True)
class PackageContents:
    """What goes into a package: its manifest, and for each file a function that writes it."""

    manifest: Manifest
    writers: Mapping[str, Callable[[Path], None]]


class ModelPackageDataset(FolderTarget, LocalDataset[PackageContents, ModelPackage]):
    """A model package: written whole or not at all, checked against its checksums when read."""

    def load(self) -> ModelPackage:
        """Open the package; its networks are not loaded yet."""
        return read_package(self._filepath)

    def save(self, data: PackageContents) -> None:
        """Write the package."""
        write_package(self._filepath, data.manifest, data.writers)

    def _exists(self) -> bool:
        return has_package(self._filepath)
