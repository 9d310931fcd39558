"""What is said of data that are not where they were looked for."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from kedro.io import DataCatalog

from steel_defects.datasets.folder import MaskFolderDataset
from steel_defects.datasets.image_folder import ImageFolderDataset
from steel_defects.datasets.tables import AnnotationFileDataset
from steel_defects.missing_inputs import remedy, where


def put(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = cv2.imencode(".png", np.full((8, 8), 99, np.uint8))[1].tobytes()
    path.write_bytes(data if path.suffix == ".png" else b"text")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "raw"


def said(dataset: str, raw: Path, masks: bool = False) -> str:
    catalog = DataCatalog({
        "raw_sheets": ImageFolderDataset(filepath=str(raw)),
        "raw_annotations": MaskFolderDataset(filepath=str(raw / "annotations"))
        if masks
        else AnnotationFileDataset(filepath=str(raw / "train.csv")),
    })  # fmt: skip
    assert not catalog.exists(dataset)
    return where(dataset, catalog, raw)


def test_a_folder_that_is_not_there(raw: Path):
    assert said("raw_annotations", raw) == f": there is no folder {raw}"
    assert said("raw_sheets", raw) == f": there is no folder {raw}"


@pytest.mark.parametrize("ending", [".zip", ".tar", ".7z"])
def test_an_archive(raw: Path, ending: str):
    archive = raw.with_suffix(ending)
    put(archive)
    assert "is a file; unpack it, and give a folder" in said("raw_annotations", archive)


def test_one_level_too_high(raw: Path):
    put(raw / "severstal" / "train.csv")
    put(raw / "severstal" / "train_images" / "a.png")
    assert f"(is it {raw / 'severstal'} that you mean?)" in said("raw_annotations", raw)
    assert "severstal/" in said("raw_annotations", raw)


def test_one_level_too_high_above_masks(raw: Path):
    put(raw / "neu" / "annotations" / "a.png")
    assert f"(is it {raw / 'neu'} that you mean?)" in said("raw_annotations", raw, masks=True)


@pytest.mark.parametrize("name", ["masks", "Masks", "labels", "Annotations", "GT"])
def test_masks_by_another_name(raw: Path, name: str):
    put(raw / "images" / "a.png")
    put(raw / name / "a.png")
    found = said("raw_annotations", raw, masks=True)
    assert f"(rename {name} to annotations)" in found
    assert f"{raw} holds no annotations, but" in found


def test_the_wrong_environment(raw: Path):
    put(raw / "train.csv")
    assert "--env=cpu" in said("raw_annotations", raw, masks=True)


def test_no_pictures(raw: Path):
    put(raw / "images" / "film.gif")
    found = said("raw_sheets", raw)
    assert "holds no pictures, but images/" in found and ".tiff, .webp" in found


def test_many_names_are_cut_short(raw: Path):
    for number in range(9):
        put(raw / f"{number}.txt")
    assert "0.txt, 1.txt, 2.txt, 3.txt, …" in said("raw_annotations", raw)


def test_every_remedy_says_what_to_do():
    assert "--params raw_dir=PATH" in remedy("raw_sheets")
    assert remedy("raw_sheets") == remedy("raw_annotations")
    assert "--pipelines=data_engineering" in remedy("splits")
