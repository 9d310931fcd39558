"""Labelling jobs in the catalog: a folder for each, which later ones leave alone."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from kedro.io.core import DatasetError

from steel_defects.datasets.folder import FolderTarget, LocalDataset
from steel_defects.errors import SteelDefectsError, disk_refusals
from steel_defects.paths import is_housekeeping, natural_order


@dataclass(frozen=True)
class LabellingJob:
    """What goes to people who label.

    Attributes:
        name: Of the job, and of its folder.
        files: Functions that make the bytes of each file, by its path in the folder, POSIX.
    """

    name: str
    files: Mapping[str, Callable[[], bytes]]


class LabellingJobsDataset(FolderTarget, LocalDataset[LabellingJob, Path]):
    """Saves each job in a folder of its name, whole or not at all; loads as that of the newest."""

    def load(self) -> Path:
        """Return the folder of the newest job."""
        jobs = self._jobs()
        if not jobs:
            raise DatasetError(f"there is no labelling job in {self._filepath}")
        return jobs[-1]

    def save(self, data: LabellingJob) -> None:
        """Write the files of a job.

        Raises:
            SteelDefectsError: There is such a job, or a file would lie outside of its folder.
        """
        folder = self._filepath / data.name
        if folder.exists():
            raise SteelDefectsError(f"there is a labelling job {folder}, which is left as it is")
        unfinished = self._filepath / f".{uuid4().hex}"
        remedy = "the same command writes it again"
        try:
            with disk_refusals(folder, remedy):
                for name, content in data.files.items():
                    path = unfinished / name
                    if not path.resolve().is_relative_to(unfinished.resolve()):
                        raise SteelDefectsError(f"{name} would lie outside of the labelling job")
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content())
                unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def _jobs(self) -> list[Path]:
        if not self._filepath.is_dir():
            return []
        folders = [one for one in self._filepath.iterdir() if one.is_dir()]
        jobs = (one for one in folders if not is_housekeeping(one.name))
        return sorted(jobs, key=lambda one: natural_order(one.name))

    def _exists(self) -> bool:
        return bool(self._jobs())
