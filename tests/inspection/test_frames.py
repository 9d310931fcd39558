import cv2
import numpy as np
import pytest

from steel_defects.data.appearance import BLACK_LEVEL, frame_statistics
from steel_defects.inspection.frames import frame_problem, read_frame


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


@pytest.mark.parametrize(
    ("value", "problem"),
    [(0, "camera: incomplete frame"), (255, "camera: saturated frame")],
)
def test_a_frame_whose_end_is_missing_is_incomplete(config, steel, value, problem):
    image = steel.copy()
    image[len(image) // 4 :] = value
    frame = read_frame(lambda _: cv2.imencode(".png", image)[1].tobytes(), "a.png")
    least = frame_statistics(steel)["sharpness"]
    assert frame_problem(frame.statistics, least, config, frame.damage) == problem


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image,
        lambda image: image[::3, ::2],  # neither contiguous nor all steel
        lambda image: np.full_like(image, 90),
        lambda image: np.zeros((3, 7), np.uint8),
        lambda image: np.full((1, 1), 255, np.uint8),
        lambda image: np.tile(image, (40, 30)),
    ],
)
def test_statistics_are_what_numpy_says(steel, change):
    image = change(steel)
    found, bright = frame_statistics(image), image >= BLACK_LEVEL
    values = image[bright]
    inner = cv2.erode(bright.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    detail = cv2.Laplacian(image, cv2.CV_64F)[inner]
    expected = {
        "brightness": values.mean() if values.size else 0,
        "contrast": values.std() if values.size else 0,
        "sharpness": detail.var() / max(values.std(), 1) ** 2 if detail.size else 0,
        "black_share": 1 - bright.mean(),
        "white_share": (image >= 254).mean(),
    }
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_a_digest_tells_one_gray_value_and_the_size(steel):
    def digest(image: np.ndarray) -> str:
        data = cv2.imencode(".png", image)[1].tobytes()
        return read_frame(lambda name: data, "a.png").digest

    changed = steel.copy()
    changed[-1, -1] ^= 1
    pictures = [steel, changed, steel.reshape(-1, 50), np.zeros((1, 3), np.uint8)]
    assert len({digest(image) for image in pictures}) == len(pictures)
    assert digest(steel.copy()) == digest(steel)


def test_a_picture_that_memory_does_not_hold_is_unreadable(monkeypatch):
    def starved(*_: object) -> None:
        raise MemoryError

    png = cv2.imencode(".png", np.zeros((8, 8), np.uint8))[1].tobytes()
    for name in ("frame_statistics", "decode_gray"):
        with monkeypatch.context() as patch:
            patch.setattr(f"steel_defects.inspection.frames.{name}", starved)
            frame = read_frame(lambda _: png, "a.png")
        assert frame.problem == "unreadable: too large for the memory of this machine"
    assert read_frame(lambda _: png, "a.png").problem == ""
