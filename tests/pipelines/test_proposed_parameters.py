"""What is found out about new data before anybody has described them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from kedro.config import OmegaConfigLoader
from tests.support.labelled_sheets import CONFIG, HEIGHT, WIDTH, LabelledSheets

from steel_defects.config import Config
from steel_defects.errors import SteelDefectsError
from steel_defects.images.folder import SheetFolder
from steel_defects.labels.formats.recognise import LabelFolder
from steel_defects.labels.mask_folder import MaskFolder
from steel_defects.models.config import NetworkConfig
from steel_defects.pipelines.proposal import gather_facts, propose_parameters
from steel_defects.training.config import (
    ClassificationConfig,
    CrossValidationConfig,
    SegmentationConfig,
)

ROOT = Path(__file__).parents[2]
#: As conf/base has it: four classes, sheets of another size.
BASE = CONFIG.model_copy(
    update={"class_names": ("class 1", "class 2"), "expected_size": (256, 1600)}
)


@pytest.fixture
def sheets(tmp_path: Path) -> LabelledSheets:
    return LabelledSheets(tmp_path / "data")


def test_severstal_s_file(sheets: LabelledSheets):
    facts = gather_facts(SheetFolder(sheets.root), sheets.rows, BASE)
    assert (facts.clean, facts.defective, facts.set_aside) == (6, 6, 0)
    highest = int(sheets.rows["ClassId"].astype(int).max())
    assert facts.class_names == tuple(f"class {k}" for k in range(1, highest + 1))
    assert facts.sizes == {(HEIGHT, WIDTH): 12}
    named = sheets.rows.assign(ClassId="crack")
    assert gather_facts(SheetFolder(sheets.root), named, BASE).class_names == ("crack",)


@pytest.mark.parametrize(
    ("change", "values", "threshold", "names"),
    [
        (lambda mask: mask, None, None, 4),
        (lambda mask: np.where(mask > 0, 255, 0), {255: 1}, None, 1),
        (lambda mask: np.where(mask > 0, 80 + mask, 0), {81: 1, 82: 2, 83: 3, 84: 4}, None, 4),
        (lambda mask: cv2.GaussianBlur((mask > 0) * np.uint8(255), (9, 9), 0), None, 128, 1),
    ],
)
def test_values_of_masks(sheets: LabelledSheets, change, values, threshold, names):
    place = sheets.masks()
    for file in place.iterdir():
        mask = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(file), np.asarray(change(mask), np.uint8))
    facts = gather_facts(SheetFolder(sheets.root), MaskFolder(place), BASE)
    if values and len(values) > 1:
        found = set(sheets.rows["ClassId"].astype(int))
        values = {80 + k: n for n, k in enumerate(sorted(found), start=1)}
        names = len(values)
    elif names > 1:
        names = int(sheets.rows["ClassId"].astype(int).max())
    assert (facts.mask_values, facts.mask_threshold) == (values, threshold)
    assert len(facts.class_names) == names
    assert (facts.clean, facts.defective) == (6, 6)


def test_pictures_without_a_mask_are_counted(sheets: LabelledSheets):
    place = sheets.masks()
    for name in sorted(set(sheets.drawn) - sheets.defective)[:2]:
        (place / name.replace(".jpg", ".png")).unlink()
    facts = gather_facts(SheetFolder(sheets.root), MaskFolder(place), BASE)
    assert (facts.without_mask, facts.clean, facts.set_aside) == (2, 4, 2)
    for file in sorted(place.iterdir()):
        file.rename(file.with_name(f"{file.stem}_GT.png"))
    facts = gather_facts(SheetFolder(sheets.root), MaskFolder(place), BASE)
    assert (facts.without_mask, facts.clean, facts.set_aside) == (2, 4, 2)


def test_a_folder_of_a_labelling_tool():
    root = ROOT / "tests" / "labels" / "formats" / "files" / "supervision_coco"
    facts = gather_facts(SheetFolder(root), LabelFolder(root), BASE)
    assert facts.class_names == ("pit", "scratch")
    assert (facts.clean, facts.defective) == (1, 4)


def test_labels_that_miss_their_pictures_are_not_proposed_for(sheets: LabelledSheets):
    sheets.rename(lambda name: name.removesuffix(".jpg"))
    with pytest.raises(SteelDefectsError, match="the ending"):
        gather_facts(SheetFolder(sheets.root), sheets.rows, BASE)
    with pytest.raises(SteelDefectsError, match="no defect"):
        gather_facts(SheetFolder(sheets.root), sheets.rows.iloc[:0], BASE)


@pytest.mark.slow
def test_the_file_that_is_written(sheets: LabelledSheets, tmp_path: Path):
    loader = OmegaConfigLoader(
        str(ROOT / "conf"),
        base_env="base",
        default_run_env="test",
        merge_strategy={"parameters": "soft"},
    )
    given = loader["parameters"]

    def of(name: str, kind: type[Config]):
        return kind.model_validate(given[name])

    text = propose_parameters(
        SheetFolder(sheets.root), sheets.rows, BASE,
        of("segmentation", SegmentationConfig), of("classification", ClassificationConfig),
        of("cross_validation", CrossValidationConfig),
        NetworkConfig.model_validate(given["unet"]["network"]),
    )  # fmt: skip
    assert "# Proposed for" in text and "6 clean and 6 defective sheets" in text
    assert "# Training unet takes about" in text
    assert "backbones: []" in text  # six clean sheets teach no gate
