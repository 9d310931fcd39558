import pytest

from steel_defects.models.backbones import parameters_with_top


@pytest.mark.parametrize(
    ("name", "without", "channels", "published"),
    [
        ("resnet50", 23_587_712, 2048, 25_636_712),
        ("vgg16", 14_714_688, 512, 138_357_544),
        ("efficientnet_b0", 4_049_571, 1280, 5_330_571),
        ("mobilenet_v2", 2_257_984, 1280, 3_538_984),
    ],
)
def test_the_counts_are_those_that_keras_publishes(name, without, channels, published):
    assert parameters_with_top(name, without, channels) == published
