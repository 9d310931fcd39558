"""The model packages of a data folder: the newest, its versions, and the one that is promoted."""

from pathlib import Path
from typing import Any

from kedro.io import Version
from kedro.io.core import generate_timestamp

from steel_defects.datasets.folder import ReadOnlyDataset
from steel_defects.datasets.models import ModelPackageDataset, PackageContents
from steel_defects.package.folder import ModelPackage, has_package, read_package
from steel_defects.package.versions import VERSIONS, PackageVersions, check_version, write_version

#: Names of the folders of the newest package and of the promoted one, side by side.
NEWEST_FOLDER, PROMOTED_FOLDER = "model_package", "promoted_package"


class VersionedPackageDataset(ModelPackageDataset):
    """Saves a package at one path, and each version of it in ``package_versions/`` beside that.

    Loads the newest, or the version that ``--load-versions`` names.
    """

    def __init__(
        self,
        *,
        filepath: str,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        # Not ``_version``, by which Kedro's own versioned datasets are told.
        self._asked = version.load if version else None
        self._saved = (version.save if version else None) or generate_timestamp()

    def load(self) -> ModelPackage:
        """Open the package; its networks are not loaded yet."""
        if self._asked is None:
            return super().load()
        return PackageVersions(self._filepath.parent / VERSIONS).open(self._asked)

    def save(self, data: PackageContents) -> None:
        """Write the version of this run, then the newest."""
        write_version(self._filepath, self._saved, data.manifest, data.writers)

    def check_target(self) -> None:
        """Refuse folders that cannot be written, and a version that would not be the newest."""
        super().check_target()
        check_version(self._filepath, self._saved)


class PackageVersionsDataset(ReadOnlyDataset[PackageVersions]):
    """Finds the versions of a package; one is read when it is asked for."""

    def load(self) -> PackageVersions:
        """Return what finds them; there may be none."""
        return PackageVersions(self._filepath)


class EarlierPackageDataset(ReadOnlyDataset[ModelPackage | None]):
    """Loads the package that another dataset writes; None where there is none yet."""

    def load(self) -> ModelPackage | None:
        """Open the package, if there is one."""
        return read_package(self._filepath) if has_package(self._filepath) else None


class PackageInUseDataset(ModelPackageDataset):
    """The package to judge sheets with: the one that was asked for, else the promoted one.

    Without either it is the newest. Which it is, is found once: a promotion changes no run that
    has begun.
    """

    def __init__(
        self, *, filepath: str, given: str | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        """Name the package, and whether it was asked for by name, ``given``, for this run.

        One that only the environment names gives way to the promoted one beside it if it is
        ``model_package``.
        """
        path = Path(filepath)
        promoted = path.with_name(PROMOTED_FOLDER)
        if not given and path.name == NEWEST_FOLDER and has_package(promoted):
            path = promoted
        super().__init__(filepath=str(path), metadata=metadata)
