"""What to say of an input that is missing: where it was looked for, what lies there, what to do."""

from collections.abc import Iterator
from pathlib import Path

from kedro.framework.project import pipelines
from kedro.io import DataCatalog

from steel_defects.errors import shown
from steel_defects.images.folder import SheetFolder
from steel_defects.images.reading import PICTURE_ENDINGS
from steel_defects.kedro_compat import filepath_of
from steel_defects.package.folder import find_packages

_PICTURES = ("raw_sheets", "segmenter_only_sheets")
_RAW = ("raw_sheets", "raw_annotations")
_SECOND = ("segmenter_only_sheets", "segmenter_only_annotations")
_NO_DATA = (
    "give the folder that holds train_images and train.csv with --params raw_dir=PATH, or draw "
    "synthetic sheets with --pipelines=sample_data"
)
_NO_SECOND = (
    "give the folder of the sheets for segmenters alone, with train_images and train.csv, with "
    "--params data_engineering.segmenter_only=PATH, or leave it out"
)
_REMEDIES = {
    "inspection_sheets": "give the folder of the sheets with --params sheets_dir=PATH",
    "inspection_package": "give a package with --params models_dir=PATH, or run the pipelines "
    "classification and segmentation first",
    **dict.fromkeys(_RAW, _NO_DATA),
    **dict.fromkeys(_SECOND, _NO_SECOND),
}
_LABELS = ("train.csv", "annotations")
_NO_LABELS = {"train.csv": "no train.csv, annotations/ or other labels"}
_NO_MASKS = "no annotations"
_NAMED = 4  # names of what lies in a folder, at most


def remedy(dataset: str) -> str:
    """Say how to come by a dataset."""
    if dataset in _REMEDIES:
        return _REMEDIES[dataset]
    for name, pipeline in pipelines.items():
        if name != "__default__" and dataset in pipeline.all_outputs():
            return f"run the pipeline {name} first (--pipelines={name})"
    return "and no pipeline makes it"


def where(dataset: str, catalog: DataCatalog, project: Path) -> str:
    """Say where data were looked for, and what lies there instead."""
    path = filepath_of(catalog[dataset])
    if dataset == "inspection_sheets":
        return f": there is nothing at {path}"
    if dataset == "inspection_package":
        packages = [str(one.relative_to(project)) for one in find_packages(project)]
        there_are = f"there are {', '.join(packages)}" if packages else "there are none elsewhere"
        return f": there is none at {path}; {there_are}"
    if dataset in (*_RAW, *_SECOND) and path:
        return f": {_what_lies_there(dataset, path)}"
    return ""


def _what_lies_there(dataset: str, path: Path) -> str:
    folder = path if dataset in _PICTURES else path.parent
    if folder.is_file():
        unpack = (
            "unpack it, and " if folder.suffix.lower() in {".zip", ".tar", ".gz", ".7z"} else ""
        )
        return f"{folder} is a file; {unpack}give a folder"
    if not folder.is_dir():
        return f"there is no folder {folder}"
    missing = "no pictures" if dataset in _PICTURES else _NO_LABELS.get(path.name, _NO_MASKS)
    names = sorted(one.name + "/" * one.is_dir() for one in folder.iterdir())
    there = ", ".join(map(shown, names[:_NAMED])) + ", …" * (len(names) > _NAMED)
    hint = next(_hints(dataset, folder, path.name), "")
    return f"{folder} holds {missing}, but {there or 'nothing'}{hint}"


def _hints(dataset: str, folder: Path, wanted: str) -> Iterator[str]:
    """Yield what people often do instead, the surest first."""
    folders = [one for one in sorted(folder.iterdir()) if one.is_dir()]
    below = [one for one in folders if any((one / name).exists() for name in _LABELS)]
    if dataset not in _PICTURES and below:
        yield f" (is it {below[0]} that you mean?)"
    for name, others in _OTHER_NAMES.items():
        alike = [one.name for one in folders if one.name.lower() in others and one.name != name]
        if alike and (dataset not in _PICTURES) == (name == "annotations"):
            yield f" (rename {alike[0]} to {name})"
    if wanted == "annotations" and (folder / "train.csv").is_file():
        yield " (masks in train.csv: run it with --env=cpu, or leave catalog.yml out of your copy)"
    if dataset in _PICTURES:
        deeper = next((one for one in folders if len(SheetFolder(one))), None)
        if deeper:
            yield f" (is it {deeper} that you mean?)"
        yield f"; pictures end in {', '.join(sorted(PICTURE_ENDINGS))}"


_OTHER_NAMES = {
    "annotations": {"masks", "mask", "labels", "annotations", "ground_truth", "gt"},
    "images": {"images", "image", "pictures", "imgs", "img"},
    "train_images": {"train_images", "train", "train_image"},
}
