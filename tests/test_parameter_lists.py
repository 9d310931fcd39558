"""Names on the command line, where a comma ends a parameter."""

from steel_defects.training.config import CrossValidationConfig, SegmenterCrossValidationConfig


def test_models_to_cross_validate_are_given_as_all_names_are():
    plan = CrossValidationConfig.model_validate({"folds": 2, "repeats": 1, "models": "vgg16"})
    assert plan.models == ("vgg16",)
    both = SegmenterCrossValidationConfig.model_validate({"architectures": "unet fpn"})
    assert both.architectures == ("unet", "fpn")
