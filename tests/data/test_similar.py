from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pandas as pd
import pytest
from tests.support.planting import planted, resaved

from steel_defects import tables as schemas
from steel_defects.data.config import SampleDataConfig
from steel_defects.data.inventory import take_inventory
from steel_defects.data.similar import DIFFERENT, find_similar, nearest_similarity
from steel_defects.data.splits import group_sheets
from steel_defects.data.synthetic import draw_sheet
from steel_defects.images.folder import SheetFolder

pytestmark = pytest.mark.slow


def write(folder, pictures: dict[str, np.ndarray]) -> SheetFolder:
    for name, picture in pictures.items():
        (folder / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(folder / "images" / name), np.ascontiguousarray(picture))
    return SheetFolder(folder)


def compare(folder: SheetFolder, **options) -> pd.DataFrame:
    table = find_similar(take_inventory(folder), folder.read, 0.985, **options)
    return schemas.similar_sheets.validate(table)


def relations(table: pd.DataFrame) -> dict[frozenset, str]:
    rows = table[["sheet_id", "other_id", "relation"]].itertuples(index=False)
    return {frozenset((one, other)): relation for one, other, relation in rows}


@pytest.fixture(scope="module")
def pictures(synthetic_sheets) -> dict[str, np.ndarray]:
    return {f"{k:02d}.png": sheet.image for k, sheet in enumerate(synthetic_sheets[:6])}


def test_relations_are_told_apart(tmp_path, pictures, synthetic_sheets):
    other_surface = np.random.default_rng(0).normal(0, 25, (256, 1600))
    extra = {
        "same.png": pictures["00.png"],
        "copy.jpg": resaved(pictures["01.png"][::-1, ::-1]),
        "view.png": np.clip(pictures["02.png"] + other_surface, 0, 255).astype(np.uint8),
    }
    found = relations(compare(write(tmp_path, pictures | extra)))
    assert {pair: relation for pair, relation in found.items() if relation != DIFFERENT} == {
        frozenset(("00.png", "same.png")): "same file",
        frozenset(("01.png", "copy.jpg")): "copy",
        frozenset(("02.png", "view.png")): "look-alike",
    }


def test_orientation_brings_one_over_the_other(tmp_path, pictures):
    folder = write(tmp_path, {"a.png": pictures["00.png"], "b.png": pictures["00.png"][::-1]})
    row = compare(folder).iloc[0]
    assert row["relation"] == "copy"
    assert row["orientation"] == 2
    assert row["score"] > 0.99


def test_pixels_are_not_compared_again(tmp_path, pictures):
    copies = {f"copy_{name}": resaved(picture) for name, picture in pictures.items()}
    folder = write(tmp_path, pictures | copies)
    first = compare(folder)
    assert (first["relation"] == "copy").sum() == len(pictures)

    def refuse(path: str) -> np.ndarray:
        raise AssertionError(f"{path} was read again")

    again = find_similar(take_inventory(folder), refuse, 0.985, earlier=first)
    pd.testing.assert_frame_equal(again, first)


def test_an_empty_earlier_table_is_no_hindrance(tmp_path, pictures):
    folder = write(tmp_path, pictures)
    expected = compare(folder)
    pd.testing.assert_frame_equal(compare(folder, earlier=pd.DataFrame()), expected)


def test_no_pictures_give_an_empty_table(tmp_path):
    (tmp_path / "images").mkdir()
    assert compare(SheetFolder(tmp_path), compare_parts=True).empty


def test_parts_are_compared_on_demand(tmp_path, pictures):
    pieces = {name: picture[:200, 700:900] for name, picture in pictures.items()}
    stitched = pieces["00.png"].copy()
    stitched[:, :100] = pieces["01.png"][:, :100]
    folder = write(tmp_path, pieces | {"stitched.png": stitched})
    pair = frozenset(("01.png", "stitched.png"))
    assert relations(compare(folder)).get(pair, DIFFERENT) == DIFFERENT
    assert relations(compare(folder, compare_parts=True))[pair] in ("shared part", "copy")


def test_shapes_are_not_mixed_up(tmp_path, pictures):
    image = pictures["00.png"]
    names = {
        "a.png": image,
        "b.png": np.rot90(image),
        "c.png": image[:, :256],
        "d.png": image[:200],
    }
    found = relations(compare(write(tmp_path, names)))
    assert found[frozenset(("a.png", "b.png"))] == "copy"
    assert frozenset(("a.png", "c.png")) not in found
    assert found.get(frozenset(("a.png", "d.png")), DIFFERENT) in (DIFFERENT, "look-alike")


def test_nearest_similarity_is_that_of_another_sheet(tmp_path, pictures):
    folder = write(tmp_path, pictures | {"copy.png": pictures["03.png"][:, ::-1]})
    table = take_inventory(folder)
    nearest = nearest_similarity(table).set_axis(table["sheet_id"])
    assert nearest["copy.png"] == pytest.approx(1, abs=2e-3)
    assert nearest["03.png"] == pytest.approx(1, abs=2e-3)
    assert nearest.drop(["copy.png", "03.png"]).max() < 0.8


@pytest.fixture(scope="module")
def drawn() -> list[np.ndarray]:
    config = SampleDataConfig(seed=23, sheets=320, new_sheets=1)
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda k: draw_sheet(config, k).image, range(320)))


@pytest.mark.parametrize("piece", [np.s_[:, :], np.s_[:200, 700:900]], ids=["sheets", "squares"])
def test_two_hundred_planted_copies_join_their_originals(tmp_path, drawn, piece):
    """And nothing else joins: at most 1 in 100,000 of the unrelated pairs."""
    rng = np.random.default_rng(23)
    originals = {f"{k:03d}.jpg": image[piece] for k, image in enumerate(drawn)}
    copies = {f"copy_{k:03d}.jpg": planted(drawn[k][piece], rng) for k in range(200)}
    folder = write(tmp_path, originals | copies)
    table = compare(folder)
    pairs = table.loc[table["relation"] != DIFFERENT, ["sheet_id", "other_id"]]
    groups, _ = group_sheets(folder.sheet_ids, pairs.itertuples(index=False, name=None), {})
    lost = [k for k in range(200) if groups[f"copy_{k:03d}.jpg"] != groups[f"{k:03d}.jpg"]]
    assert lost == []
    assert len({groups[name] for name in originals}) == len(originals)
