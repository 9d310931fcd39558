"""Model packages in the catalog."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from steel_defects.datasets.folder import FolderTarget, LocalDataset
from steel_defects.package.folder import ModelPackage, has_package, read_package, write_package
from steel_defects.package.manifest import Manifest


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
