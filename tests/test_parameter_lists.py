"""Lists on the command line, where a comma ends a parameter."""

import pytest
from pydantic import ValidationError

from steel_defects.config import Config
from steel_defects.training.config import CrossValidationConfig, SegmenterCrossValidationConfig


class _Lists(Config):
    sides: tuple[int, int] | None = None
    shares: tuple[float, ...] = ()
    title: str = ""


def test_a_list_may_be_a_text_with_blanks():
    given = _Lists.model_validate({"sides": "128 800", "shares": "0.5", "title": "a b"})
    assert given == _Lists(sides=(128, 800), shares=(0.5,), title="a b")
    assert _Lists.model_validate({"sides": None}).sides is None


def test_each_of_its_values_is_checked():
    with pytest.raises(ValidationError, match="shares"):
        _Lists.model_validate({"shares": "0.5 half"})
    with pytest.raises(ValidationError, match="sides"):
        _Lists.model_validate({"sides": "128"})


def test_models_to_cross_validate_are_given_as_all_names_are():
    plan = CrossValidationConfig.model_validate({"folds": 2, "repeats": 1, "models": "vgg16"})
    assert plan.models == ("vgg16",)
    both = SegmenterCrossValidationConfig.model_validate({"architectures": "unet fpn"})
    assert both.architectures == ("unet", "fpn")
