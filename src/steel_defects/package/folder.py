"""A model package: a folder with all that using a model takes."""

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from steel_defects.errors import SteelDefectsError
from steel_defects.package.manifest import MANIFEST, Manifest, parse_manifest

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Beside the manifest: its SHA-256, in the format of ``sha256sum``.
CHECKSUM = f"{MANIFEST}.sha256"
#: Files that say what a package learned from and why it was promoted; they change no verdict.
LEARNED_SHEETS, DECISION = "learned_sheets.txt", "promotion.json"

# Folders inside a package's, so that it may be a link or a mount point. Files that are being
# written are in the first. It gets the second name when all are whole: see _place.
_UNFINISHED, _WHOLE = ".unfinished", ".whole"

#: What mends a package that is not what was written.
MEND = "; restore the package or build it again"


@dataclass(frozen=True)
class ModelPackage:
    """A package on disk whose files were checked.

    Attributes:
        target_recall: What its thresholds were chosen for when it was opened; None for those that
            it was built with; see :func:`steel_defects.package.recall.at_recall`.
    """

    folder: Path
    manifest: Manifest
    target_recall: float | None = None

    @property
    def model_id(self) -> str:
        """Short digest of the trained networks; exports of them do not count.

        In packages of earlier releases it is one of their files, which hold dates and addresses.
        """
        if networks := self.manifest.networks:
            return _digest(json.dumps(networks, sort_keys=True).encode())[:12]
        others = {name for export in self.manifest.exports for name in export.files}
        others |= {LEARNED_SHEETS, DECISION}
        files = {k: v for k, v in self.manifest.files.items() if k not in others}
        return _digest(json.dumps(files, sort_keys=True).encode())[:12]

    @property
    def thresholds_id(self) -> str:
        """Short digest of thresholds, calibration and post-processing."""
        manifest = self.manifest
        parts = [manifest.gate, manifest.segmenter, *filter(None, [manifest.stacked])]
        settings = [part.model_dump(mode="json") if part else None for part in parts]
        return _digest(json.dumps(settings, sort_keys=True).encode())[:12]

    @property
    def in_words(self) -> str:
        """Where it lies and which version it is, for a log."""
        version = self.manifest.version
        kept = f"version {version}" if version else "no version known"
        return f"{self.folder} ({kept}{', promoted' if DECISION in self.manifest.files else ''})"

    def settings(self, runtimes: Iterable[str]) -> dict[str, Any]:
        """Return what else decides on results, in the form of JSON.

        Runtimes are the names of what runs the networks, such as ``openvino_int8``.
        """
        manifest, used = self.manifest, set(runtimes)
        exports = [export for export in manifest.exports if export.name in used]
        named = {"class_names", "mm_per_px", "reference"} | (
            {"learned"} if manifest.learned else set()
        )
        return {
            **manifest.model_dump(mode="json", include=named),
            "exports": {file: manifest.files.get(file) for one in exports for file in one.files},
        }

    def path(self, file: str) -> Path:
        """Return where a file of the package lies."""
        return _place(self.folder, file)

    def read(self, file: str) -> bytes:
        """Read a file of the package; what is returned was compared with its checksum.

        Raises:
            SteelDefectsError: The file is missing, or not what was written.
        """
        return self._checked(file, lambda path: path.read_bytes(), _digest)

    def copy(self, file: str, target: Path) -> None:
        """Copy a file of the package, and compare the copy with its checksum; see :meth:`read`."""
        self._checked(file, lambda path: shutil.copyfile(path, target), _digest_of_file)

    def check(self, file: str) -> None:
        """Compare a file of the package with its checksum; see :meth:`read`."""
        self._checked(file, lambda path: path, _digest_of_file)

    def _checked(self, file: str, take: Callable[[Path], T], digest_of: Callable[[T], str]) -> T:
        path = self.path(file)
        inside = path.resolve().is_relative_to(self.folder.resolve())
        if not inside or not path.is_file():
            raise SteelDefectsError(f"the model package {self.folder} lacks its file {file}{MEND}")
        try:
            taken = take(path)
            digest = digest_of(taken)
        except OSError as error:
            start = f"cannot read or copy a file of the model package {self.folder}"
            raise SteelDefectsError(f"{start}: {error}") from error
        if digest != self.manifest.files.get(file):
            raise SteelDefectsError(f"{path} is damaged: its checksum differs{MEND}")
        return taken


def write_package(
    folder: Path, manifest: Manifest, writers: Mapping[str, Callable[[Path], None]]
) -> ModelPackage:
    """Write a package; an earlier one in the same folder stays usable until the new one is whole.

    The manifest holds all but ``files``; a writer of each file is given its path.

    Raises:
        SteelDefectsError: The manifest is one that reading would refuse.
    """
    _finish(folder)
    unfinished = folder / _UNFINISHED
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        for name, write in writers.items():
            write(unfinished / name)
        files = {name: _digest_of_file(unfinished / name) for name in sorted(writers)}
        manifest = manifest.model_copy(update={"files": files})
        data = f"{manifest.model_dump_json(indent=2)}\n".encode()
        _parse(data, folder / MANIFEST)
        (unfinished / MANIFEST).write_bytes(data)
        (unfinished / CHECKSUM).write_bytes(f"{_digest(data)}  {MANIFEST}\n".encode())
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    unfinished.rename(folder / _WHOLE)
    _finish(folder)
    return ModelPackage(folder, manifest)


def _finish(folder: Path) -> None:
    """Move the files of a whole new package to their places, and the manifest last of all."""
    whole = folder / _WHOLE
    if (whole / MANIFEST).is_file():
        for name in _files(folder) - _files(whole):
            (folder / name).unlink(missing_ok=True)
        for path in sorted(whole.iterdir(), key=lambda path: path.name == MANIFEST):
            path.replace(folder / path.name)
    if whole.is_dir():
        whole.rmdir()


def _files(folder: Path) -> set[str]:
    try:
        return set(parse_manifest((folder / MANIFEST).read_bytes()).files)
    except (OSError, ValueError):
        return set()


def _place(folder: Path, name: str) -> Path:
    """Return where a file of a package lies: a whole new one counts, though not in its place."""
    new = folder / _WHOLE / name
    return new if new.is_file() else folder / name


def write_text(text: str, path: Path) -> None:
    """Write a file of a package as UTF-8, the same on every system."""
    path.write_bytes(text.encode())


def copy_package(package: ModelPackage, folder: Path) -> ModelPackage:
    """Write a package again elsewhere; each file is compared with its checksum on the way."""
    writers = {name: partial(package.copy, name) for name in package.manifest.files}
    return write_package(folder, package.manifest, writers)


def has_package(folder: Path) -> bool:
    """Say whether there is a package in a folder."""
    return _place(folder, MANIFEST).is_file()


def is_begun(folder: Path) -> bool:
    """Say whether there is nothing in a folder but what a killed process had begun to write."""
    return folder.is_dir() and {one.name for one in folder.iterdir()} <= {_UNFINISHED}


def find_packages(project: Path) -> list[Path]:
    """Return the packages that came with a project, and those that its runs have made."""
    places = ("models/*", "data/09_release/*", "data/*/09_release/*")
    return [path for place in places for path in sorted(project.glob(place)) if has_package(path)]


def read_package(folder: Path) -> ModelPackage:
    """Open a package and compare every file with its checksum.

    Raises:
        SteelDefectsError: There is no package, or it is not what was written.
    """
    if not has_package(folder):
        raise SteelDefectsError(
            f"there is no model package at {folder} (no {MANIFEST}); run the pipelines "
            "classification and segmentation first, or give models_dir"
        )
    path = _place(folder, MANIFEST)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SteelDefectsError(f"cannot read {path}: {error.strerror}") from error
    _check_manifest(folder, data)
    package = ModelPackage(folder, _parse(data, path))
    manifest = package.manifest
    used = [manifest.segmenter.file, *([manifest.gate.file] if manifest.gate else [])]
    used += [name for export in manifest.exports for name in export.files]
    for name in used:
        if name not in manifest.files:
            raise SteelDefectsError(f"{path} names no checksum for {name}{MEND}")
    for name in manifest.files:
        package.check(name)
    return package


def _check_manifest(folder: Path, data: bytes) -> None:
    checksum = _place(folder, CHECKSUM)
    if not checksum.is_file():
        logger.warning("%s has no %s: changes to %s go unnoticed", folder, CHECKSUM, MANIFEST)
    elif checksum.read_bytes().split()[:1] != [_digest(data).encode()]:
        raise SteelDefectsError(
            f"{folder / MANIFEST} is not what was written: its checksum is not that in {CHECKSUM}"
            f"{MEND}; if you meant to change it, run sha256sum {MANIFEST} > {CHECKSUM} there"
        )


def _parse(data: bytes, path: Path) -> Manifest:
    try:
        return parse_manifest(data)
    except ValueError as error:
        raise SteelDefectsError(f"{path} is not a model package: {error}{MEND}") from error


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _digest_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
