"""Versions of a model package: the newest at a place of its own, and every one beside it."""

import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from steel_defects.errors import SteelDefectsError, shown
from steel_defects.files import check_target
from steel_defects.package.folder import (
    ModelPackage,
    copy_package,
    has_package,
    is_begun,
    read_package,
    write_package,
)
from steel_defects.package.manifest import MANIFEST, Manifest

logger = logging.getLogger(__name__)

#: The folder of all versions, beside that of the newest.
VERSIONS = "package_versions"
#: Names the newest version.
NEWEST = "newest"

_NAMED = 8  # versions in one message


@dataclass(frozen=True)
class PackageVersions:
    """A folder in which each version of a package has a folder of its own."""

    folder: Path

    @property
    def names(self) -> list[str]:
        """All versions, the newest first; one that was never finished does not count."""
        if not self.folder.is_dir():
            return []
        return sorted((one.name for one in self.folder.iterdir() if has_package(one)), reverse=True)

    def resolve(self, version: str) -> str:
        """Return the version that is meant by its name or by ``newest``.

        Raises:
            SteelDefectsError: There is no such version; the message names those that there are.
        """
        names = self.names
        if version in names:
            return version
        if version == NEWEST and names:
            return names[0]
        asked = "" if version == NEWEST else f" {shown(version)}"
        raise SteelDefectsError(
            f"there is no version{asked} of the model package in {self.folder}; {_offered(names)}"
        )

    def open(self, version: str) -> ModelPackage:
        """Open a version, of which every file is compared with its checksum.

        Raises:
            SteelDefectsError: There is no such version, or it is not what was written.
        """
        return read_package(self.folder / self.resolve(version))


def _offered(names: list[str]) -> str:
    if not names:
        return (
            "there are none yet: kedro run --pipelines=segmentation makes one, and with "
            "--nodes=build_package makes it of networks that are trained already"
        )
    more = f" and {len(names) - _NAMED} older ones" if len(names) > _NAMED else ""
    return f"there are {', '.join(names[:_NAMED])}{more}"


def check_version(newest: Path, version: str) -> None:
    """Look, before hours of work, at the place where a version will be kept.

    Args:
        newest: The folder of the newest version.
        version: The one that will be written.

    Raises:
        SteelDefectsError: The place cannot be written, or holds a version that counts as newer.
    """
    versions = PackageVersions(newest.parent / VERSIONS)
    check_target(versions.folder, folder=True)
    last = next(iter(versions.names), "")
    if last > version:
        raise SteelDefectsError(
            f"{versions.folder} has version {last}, which is later than this run ({version}): a "
            "clock is wrong; set it right, or delete that version"
        )


def write_version(
    newest: Path, version: str, manifest: Manifest, writers: Mapping[str, Callable[[Path], None]]
) -> ModelPackage:
    """Write a version of a package, and then put it in the place of the newest.

    A package that says the same as the version before it makes no second one. What an earlier
    release, which kept no versions, left in the place of the newest is kept, too.

    Args:
        newest: The folder of the newest version.
        version: Rises from one to the next, like ``2026-11-26T05.52.16.188Z``.
        manifest: As :func:`write_package` takes it.
        writers: One of each file, as it takes them.

    Returns:
        The newest version, in its place.
    """
    versions = PackageVersions(newest.parent / VERSIONS)
    _clear(versions.folder)
    _keep_unversioned(newest, versions)
    earlier = [name for name in versions.names if name != version]
    manifest = manifest.model_copy(update={"version": version})
    made = write_package(versions.folder / version, manifest, writers)
    if earlier and _content(made) == _content(before := versions.open(earlier[0])):
        shutil.rmtree(made.folder)
        logger.info("the package is that of version %s; no second one is kept", before.folder.name)
        made = before
    return copy_package(made, newest)


def _clear(folder: Path) -> None:
    """Delete what killed runs had begun to write."""
    for one in folder.iterdir() if folder.is_dir() else ():
        if is_begun(one):
            shutil.rmtree(one)


def _keep_unversioned(newest: Path, versions: PackageVersions) -> None:
    """Keep a package that says no version, under the time at which its manifest was written."""
    if not has_package(newest):
        return
    try:
        package = read_package(newest)
    except SteelDefectsError as error:
        logger.warning("the package before this one is not kept: %s", error)
        return
    if package.manifest.version:
        return
    written = datetime.fromtimestamp(package.path(MANIFEST).stat().st_mtime, UTC)
    version = f"{written.strftime('%Y-%m-%dT%H.%M.%S.%f')[:-3]}Z"  # as Kedro writes it
    if not has_package(versions.folder / version):
        copy_package(package, versions.folder / version)
        logger.info("the package of an earlier release is kept as version %s", version)


def _content(package: ModelPackage) -> Manifest:
    """Return what a package says, without what differs between two of the same networks."""
    manifest = package.manifest
    # Files of networks hold dates and addresses; what they compute stands in networks.
    specs = [spec for spec in (manifest.gate, manifest.segmenter) if spec and manifest.networks]
    named = {spec.file for spec in specs}
    files = {name: digest for name, digest in manifest.files.items() if name not in named}
    return manifest.model_copy(update={"files": files, "version": ""})
