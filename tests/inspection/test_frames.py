import cv2
import numpy as np
import pytest

from steel_defects.inspection.frames import frame_problem, frame_statistics


@pytest.fixture
def steel() -> np.ndarray:
    """Rolled steel: texture around gray 120, with a black border."""
    rng = np.random.default_rng(0)
    image = rng.normal(120, 15, (64, 200)).clip(40, 220).astype(np.uint8)
    image[:, :50] = 0
    return image


def test_statistics_of_the_steel_alone(steel):
    found = frame_statistics(steel)
    assert found["brightness"] == pytest.approx(steel[:, 50:].mean())
    assert found["contrast"] == pytest.approx(steel[:, 50:].std())
    assert found["black_share"] == 0.25
    assert found["white_share"] == 0
    # Laplacian of white noise: 4² + 4 · 1² times its variance.
    assert found["sharpness"] == pytest.approx(20, rel=0.1)


def test_sharpness_does_not_follow_the_light(steel):
    bright, dim = (frame_statistics((steel * gain).astype(np.uint8)) for gain in (1, 0.5))
    assert dim["sharpness"] == pytest.approx(bright["sharpness"], rel=0.05)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda image: image, ""),
        (np.zeros_like, "camera: black frame"),
        (lambda image: np.full_like(image, 255), "camera: saturated frame"),
        (lambda image: cv2.add(image, 200), "camera: saturated frame"),
        (lambda image: cv2.GaussianBlur(image, (0, 0), 3), "camera: out of focus"),
        (lambda image: np.full_like(image, 90), "camera: out of focus"),
    ],
)
def test_problem(config, steel, change, problem):
    reference = frame_statistics(steel)["sharpness"]
    assert frame_problem(frame_statistics(change(steel)), reference, config) == problem
