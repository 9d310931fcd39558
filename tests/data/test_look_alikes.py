import numpy as np
import pytest

from steel_defects.data.inventory import fingerprint, thumbnail_of
from steel_defects.data.search import look_alikes
from steel_defects.images.reading import decode_gray

pytestmark = pytest.mark.slow

SIMILARITY = 0.985


def pairs_of(images: list[np.ndarray], similarity: float = SIMILARITY) -> list[tuple[int, int]]:
    thumbnails = np.stack([thumbnail_of(image).reshape(-1) for image in images])
    prints = np.stack([fingerprint(image) for image in images])
    pairs = look_alikes(thumbnails, prints, similarity)
    return list(zip(pairs["first"], pairs["second"], strict=True))


def views(images: list[np.ndarray], noise: float) -> list[np.ndarray]:
    """Return the same views with another surface."""
    rng = np.random.default_rng(1)
    return [
        np.clip(image + rng.normal(0, noise, image.shape), 0, 255).astype(np.uint8)
        for image in images
    ]


def test_neighbouring_views_are_found(synthetic_sheets):
    images = [sheet.image for sheet in synthetic_sheets[:10]]
    assert set(pairs_of(images + views(images, 25))) == {(k, k + 10) for k in range(10)}


def test_only_mutual_neighbours_are_listed(synthetic_sheets):
    image = synthetic_sheets[0].image
    closer, further = views([image], 10)[0], views([image], 60)[0]
    assert pairs_of([image, further, closer]) == [(0, 2)]


@pytest.mark.parametrize(("angle", "pairs"), [(1.2, [0]), (1.5, [])])
def test_a_black_border_alone_makes_no_look_alike(synthetic_sheets, angle, pairs):
    """Equal thumbnails are not enough; what structure there is has to agree a little, too."""
    thumbnails = np.stack([thumbnail_of(synthetic_sheets[0].image).reshape(-1)] * 2)
    prints = np.zeros((2, 384), np.float16)
    prints[:, 5] = 1, np.cos(angle)
    prints[1, 6] = np.sin(angle)
    assert look_alikes(thumbnails, prints, SIMILARITY)["first"].tolist() == pairs


@pytest.mark.parametrize("value", [0, 3, 200])
def test_flat_pictures_look_like_nothing(value):
    assert pairs_of([np.full((256, 1600), value, np.uint8)] * 3) == []


def test_a_similarity_above_one_finds_nothing(synthetic_sheets):
    assert pairs_of([synthetic_sheets[0].image] * 2, 1.01) == []


# Pairs that were confirmed by eye, see docs/data_quality.md: neighbouring views of one coil.
BY_EYE = {
    ("008ef3d74", "b6a257b28"),
    ("00f6e702c", "0d2a4e766"),
    ("0a659fc98", "0cf509103"),
    ("0c59df320", "7b79706b6"),
    ("0c8ea05b5", "0ccde8827"),
    ("0d695ead3", "0da3a4fec"),
    ("aeb94b95f", "c0eb3a086"),
    ("bbc246c1b", "f3e1e7c47"),
}


def test_real_sheets_that_look_alike(real_data):
    paths = sorted((real_data / "severstal").glob("*_images/*"))
    names = [path.stem for path in paths]
    found = {
        tuple(sorted((names[a], names[b])))
        for a, b in pairs_of([decode_gray(p.read_bytes()) for p in paths])
    }
    assert found == {pair for pair in BY_EYE if set(pair) <= set(names)}
