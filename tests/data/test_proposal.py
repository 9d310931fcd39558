"""Parameters that are proposed for new data."""

import pytest
import yaml

from steel_defects.data.config import DataEngineeringConfig
from steel_defects.data.proposal import DataFacts, Proposal, propose
from steel_defects.training.config import CrossValidationConfig

SEVERSTAL = DataFacts({(256, 1600): 123}, ["class 1", "class 2"], clean=36, defective=87)
NEU = DataFacts({(200, 200): 4000}, ["inclusion", "patches"], clean=0, defective=4000)


def proposal(facts: DataFacts) -> Proposal:
    return Proposal(propose(facts))


def test_few_sheets_of_one_size():
    found = proposal(SEVERSTAL)
    assert found.value("data_engineering.expected_size") == [256, 1600]
    assert found.value("data_engineering.tile_size") == [256, 256]
    assert found.value("data_engineering.tile_stride") == [256, 224]
    assert found.value("classification.input_size") == [256, 1600]
    assert found.value("backbones") == ["mobilenet_v2"] == found.value("cross_validation.models")


def test_without_clean_sheets_there_is_no_gate():
    found = proposal(NEU)
    assert found.value("backbones") == []
    assert found.value("data_engineering.shares")["calibration"] == 0
    assert found.value("data_engineering.tile_size") == [200, 200]
    assert found.value("data_engineering.tile_stride") == [200, 200]
    assert found.value("classification.input_size") is None
    assert found.value("cross_validation.models") is None


def test_many_sheets_need_no_folds():
    many = DataFacts({(256, 1600): 12568}, ["a"], clean=5902, defective=6666)
    found = proposal(many)
    assert found.value("cross_validation.models") is None
    assert found.value("data_engineering.shares")["train"] == 0.7
    assert found.value("segmentation.steps_per_epoch") == 800


def test_without_a_gpu_everything_is_smaller():
    facts = DataFacts({(256, 1600): 9}, ["a"], clean=9, defective=9, accelerator=False)
    found = proposal(facts)
    assert found.value("classification.input_size") == [128, 800]
    assert found.value("unet.network.filters") == [12, 24, 48, 96]


def test_pictures_of_several_sizes():
    facts = DataFacts({(300, 500): 9, (96, 2000): 40}, ["a"], clean=20, defective=29)
    found = proposal(facts)
    assert found.value("data_engineering.expected_size", "none") is None
    assert found.value("data_engineering.tile_size") == [96, 256]
    # Tiles cover the usual picture, 2000 wide, and overlap by an eighth at least.
    stride = found.value("data_engineering.tile_stride")[1]
    assert stride <= 0.875 * 256 and (2000 - 256) % stride < 256


def test_what_masks_hold_is_said():
    facts = DataFacts({(64, 64): 40}, ["defect"], 20, 20, mask_values={255: 1}, without_mask=3)
    found = proposal(facts)
    assert found.value("data_engineering.mask_values") == {255: 1}
    assert "3 pictures have no mask" in found.as_yaml()
    soft = proposal(DataFacts({(64, 64): 40}, ["defect"], 20, 20, mask_threshold=128))
    assert soft.value("data_engineering.mask_threshold") == 128


@pytest.mark.parametrize("facts", [SEVERSTAL, NEU])
def test_the_file_is_one_of_parameters_with_a_reason_for_each(facts: DataFacts):
    found = proposal(facts)
    text = found.as_yaml()
    content = yaml.safe_load(text)
    DataEngineeringConfig.model_validate({"seed": 1} | content["data_engineering"])
    if "cross_validation" in content:
        CrossValidationConfig.model_validate({"folds": 5} | content["cross_validation"])
    lines = text.splitlines()
    for setting in found.settings:
        [at] = [n for n, line in enumerate(lines)
                if line.strip().startswith(f"{setting.name.rpartition('.')[2]}: ")]  # fmt: skip
        assert lines[at - 1].strip() == f"# {setting.reason}"
