import pytest

from steel_defects.models.config import FPNConfig
from steel_defects.training import backend
from steel_defects.training.backend import resolve_precision


@pytest.fixture(autouse=True)
def no_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "has_accelerator", lambda: False)


@pytest.mark.parametrize(
    ("native", "plain", "expected"),
    [
        (True, True, "mixed_bfloat16"),
        (True, False, "float32"),
        (False, True, "float32"),
    ],
)
def test_auto_takes_bfloat16_where_the_processor_gains(
    monkeypatch: pytest.MonkeyPatch, native: bool, plain: bool, expected: str
) -> None:
    monkeypatch.setattr(backend, "_multiplies_bfloat16", lambda: native)
    assert resolve_precision("auto", plain) == expected


def test_auto_takes_bfloat16_on_accelerators(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "has_accelerator", lambda: True)
    assert resolve_precision("auto", False) == "mixed_bfloat16"


def test_a_named_precision_holds_everywhere() -> None:
    assert resolve_precision("float32", True) == "float32"
    assert resolve_precision("mixed_bfloat16", False) == "mixed_bfloat16"


@pytest.mark.parametrize(
    ("encoder", "plain"),
    [
        (None, True),
        ("vgg16", True),
        ("resnet50", True),
        ("mobilenet_v2", False),
        ("efficientnet_lite0", False),
    ],
)
def test_depthwise_encoders_are_not_plain(encoder: str | None, plain: bool) -> None:
    given = {"name": encoder} if encoder else None
    assert FPNConfig(filters=(8, 8, 8), encoder=given).plain_convolutions is plain
