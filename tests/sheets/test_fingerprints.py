import cv2
import numpy as np
import pytest

from steel_defects.sheets.fingerprints import alike_groups, fingerprint

SIMILARITY = 0.985


def resaved(image: np.ndarray) -> np.ndarray:
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)


def brightened(image: np.ndarray) -> np.ndarray:
    return np.clip(image.astype(float) * 1.05 + 6, 0, 255).astype(np.uint8)


def groups_of(images: list[np.ndarray], digests: list[str] | None = None) -> list[int]:
    prints = np.stack([fingerprint(image) for image in images])
    digests = digests or [str(number) for number in range(len(images))]
    return alike_groups(prints, digests, SIMILARITY).tolist()


def test_a_fingerprint_has_no_mean_and_unit_length(synthetic_sheets):
    vector = fingerprint(synthetic_sheets[0].image)
    assert vector.shape == (1024,)
    assert vector.mean() == pytest.approx(0, abs=1e-6)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_a_flat_picture_has_no_fingerprint():
    assert not fingerprint(np.full((256, 1600), 90, np.uint8)).any()


def test_flat_pictures_are_alike_only_when_they_are_the_same_file():
    flat = [np.full((64, 256), value, np.uint8) for value in (0, 0, 90)]
    first, second, third = groups_of(flat, ["x", "x", "y"])
    assert first == second != third


@pytest.mark.parametrize("change", [np.copy, resaved, brightened], ids=lambda f: f.__name__)
def test_copies_join_their_original(synthetic_sheets, change):
    originals = [sheet.image for sheet in synthetic_sheets[:12]]
    groups = groups_of(originals + [change(image) for image in originals])
    assert groups[:12] == groups[12:]
    assert len(set(groups)) == 12


def test_unrelated_sheets_stay_apart(synthetic_sheets):
    groups = groups_of([sheet.image for sheet in synthetic_sheets[:60]])
    assert len(set(groups)) >= 57


def test_the_same_bytes_are_one_group_whatever_their_fingerprints():
    unlike = np.eye(3, 1024, dtype=np.float32)
    first, second, third = alike_groups(unlike, ["x", "y", "x"], SIMILARITY)
    assert first == third != second


def test_likeness_is_passed_on():
    angles = np.array([0.0, 0.15, 0.3, 1.5])  # neighbours correlate by 0.989, the ends by 0.955
    prints = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    a, b, c, d = alike_groups(prints, list("abcd"), SIMILARITY)
    assert a == b == c != d


def test_groups_do_not_depend_on_how_many_sheets_are_compared_at_a_time():
    count = 2500
    prints = np.zeros((count, 2), np.float32)
    prints[[3, 2400]] = (1, 0)
    groups = alike_groups(prints, [str(number) for number in range(count)], SIMILARITY)
    assert groups[3] == groups[2400]
    assert len(set(groups.tolist())) == count - 1


def test_no_sheets_have_no_groups():
    assert alike_groups(np.zeros((0, 1024), np.float32), [], SIMILARITY).shape == (0,)


@pytest.mark.parametrize("pair", [("c0eb3a086", "aeb94b95f"), ("7b79706b6", "0c59df320")])
def test_real_sheets_that_look_alike_share_a_group(real_data, pair):
    folder = real_data / "severstal"
    paths = sorted(folder.glob("*_images/*"))
    images = [path for path in paths if path.stem in pair]
    if len(images) < 2:
        pytest.skip(f"the real data here lacks {pair}")
    read = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in images]
    others = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in paths[::12]]
    groups = groups_of(read + others)
    assert groups[0] == groups[1]
    assert len(set(groups)) > len(others) / 2
