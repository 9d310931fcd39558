"""Labels that are well-formed and wrong: a run ends before any harm, or says what it set aside.

Each case changes a sound set of twelve sheets, six of them defective, as people's tools do.
"""

import logging
import os
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.support.labelled_sheets import CONFIG, HEIGHT, NAMES, TOLERANT, WIDTH, LabelledSheets

from steel_defects.data.config import TrustLimits
from steel_defects.errors import SteelDefectsError
from steel_defects.images.folder import SheetFolder
from steel_defects.labels import rle as run_length
from steel_defects.labels.mask_folder import MaskFolder
from steel_defects.labels.masks import masks_by_sheet
from steel_defects.pipelines.data_engineering import nodes


@pytest.fixture
def sheets(tmp_path: Path) -> LabelledSheets:
    return LabelledSheets(tmp_path / "data")


def test_the_sound_set_is_read_without_a_word(sheets: LabelledSheets):
    table = sheets.read()
    assert (len(table), table["has_defect"].sum(), sheets.findings) == (12, 6, [])
    masks = MaskFolder(sheets.masks())
    assert len(sheets.read(masks)) == 12 and sheets.findings == []


RENAMED = {
    "no ending": (lambda name: name.removesuffix(".jpg"), "the ending"),
    "another ending": (lambda name: name.replace(".jpg", ".png"), "the ending"),
    "case of the ending": (lambda name: name.replace(".jpg", ".JPG"), "capital letters"),
    "case of the name": (str.upper, "capital letters"),
    "a folder": ("train_images/{}".format, "the folder"),
    "folders": ("/home/me/data/train_images/{}".format, "the folder"),
    "a drive": ("C:\\data\\{}".format, "slashes and the folder"),
    "a folder, backslashes": ("train_images\\{}".format, "slashes and the folder"),
    "no ending, capital letters": (
        lambda name: name.removesuffix(".jpg").upper(),
        "the ending and capital letters",
    ),
}


@pytest.mark.parametrize("every", [1, 2, 6], ids=["all", "half", "one"])
@pytest.mark.parametrize(("change", "said"), RENAMED.values(), ids=RENAMED)
def test_names_that_do_not_meet_stop_the_run(sheets: LabelledSheets, change, said: str, every: int):
    sheets.rename(change, every)
    count = (~sheets.rows["ImageId"].isin(sheets.drawn)).sum()
    fault = rf"^{count} of {len(sheets.rows)} labels name no picture, but would if {said} changed"
    with pytest.raises(SteelDefectsError, match=fault):
        sheets.read()


@pytest.mark.parametrize(("change", "said"), RENAMED.values(), ids=RENAMED)
def test_below_the_limit_sheets_that_rows_may_mean_are_set_aside(
    sheets: LabelledSheets, change, said: str
):
    sheets.rename(change, 6)
    table = sheets.read(limits=TOLERANT)
    assert sheets.false_clean(table) == set()
    assert len(table) == 11
    assert any(f"{said} would have to change" in reason for reason in sheets.findings)


def move_all(sheets: LabelledSheets, place: Callable[[str], str]) -> dict[str, str]:
    """Move all pictures; returns their new names."""
    names = {name: place(name) for name in sheets.drawn}
    for old, new in names.items():
        (sheets.pictures / new).parent.mkdir(parents=True, exist_ok=True)
        (sheets.pictures / old).rename(sheets.pictures / new)
    return names


def test_pictures_in_subfolders_that_rows_do_not_name(sheets: LabelledSheets):
    move_all(sheets, "coil_7/{}".format)
    with pytest.raises(SteelDefectsError, match="if the subfolder changed"):
        sheets.read()


def test_zeros_that_a_spreadsheet_dropped(sheets: LabelledSheets):
    numbers = {name: f"{n:04}" for n, name in enumerate(sorted(sheets.drawn), start=1)}
    move_all(sheets, lambda name: f"{numbers[name]}.jpg")
    sheets.rows["ImageId"] = sheets.rows["ImageId"].map(lambda name: str(int(numbers[name])))
    with pytest.raises(SteelDefectsError, match="if the ending and leading zeros changed"):
        sheets.read()


def test_names_in_another_unicode_form(sheets: LabelledSheets):
    names = move_all(sheets, lambda name: unicodedata.normalize("NFC", f"Blech_übrig_{name}"))
    sheets.rows["ImageId"] = [
        unicodedata.normalize("NFD", names[n]) for n in sheets.rows["ImageId"]
    ]
    with pytest.raises(SteelDefectsError, match="if the Unicode form changed"):
        sheets.read()


def test_rows_of_pictures_that_are_simply_not_there_are_counted(sheets: LabelledSheets):
    others = pd.DataFrame({"ImageId": [f"other_{n}.jpg" for n in range(5000)]})
    others = others.assign(ClassId="1", EncodedPixels="1 2")
    sheets.rows = pd.concat([sheets.rows, others], ignore_index=True)
    table = sheets.read()
    assert table["has_defect"].sum() == 6
    assert sheets.findings == ["5,000 rows name no picture that is there"]


def test_a_folder_whose_names_recur_in_other_folders_is_no_mistake(sheets: LabelledSheets):
    move_all(sheets, "a/{}".format)
    rows = sheets.rows.assign(ImageId="a/" + sheets.rows["ImageId"])
    elsewhere = sheets.rows.assign(ImageId="b/" + sheets.rows["ImageId"])
    sheets.rows = pd.concat([rows, elsewhere], ignore_index=True)
    assert sheets.read()["has_defect"].sum() == 6


def test_no_row_meets_a_picture(sheets: LabelledSheets):
    sheets.rename(lambda name: f"other_{name}")
    with pytest.raises(SteelDefectsError, match=r"none of the \d+ labels names a picture.*other_"):
        sheets.read()


@pytest.mark.parametrize("cell", ["-1", "nan", "NaN", "", "None"])
def test_what_tools_write_for_no_mask_is_none(sheets: LabelledSheets, cell: str):
    clean = sorted(set(sheets.drawn) - sheets.defective)
    more = pd.DataFrame({"ImageId": clean, "ClassId": "1", "EncodedPixels": cell})
    sheets.rows = pd.concat([sheets.rows, more], ignore_index=True)
    assert sheets.read()["has_defect"].sum() == 6
    assert sheets.findings == []


@pytest.mark.parametrize("written", ["{}.0", "{}.", "{}.00"])
def test_classes_with_a_point(sheets: LabelledSheets, written: str):
    sheets.rows["ClassId"] = sheets.rows["ClassId"].map(written.format)
    assert sheets.read()["has_defect"].sum() == 6
    assert sheets.findings == []


def test_classes_by_name(sheets: LabelledSheets):
    before = sheets.read() is not None and sheets.annotations
    sheets.rows["ClassId"] = [NAMES[int(k) - 1] for k in sheets.rows["ClassId"]]
    sheets.read()
    pd.testing.assert_frame_equal(sheets.annotations, before)


@pytest.mark.parametrize("word", ["1.5", "Riss", "", "0", "٢"])
def test_classes_that_nobody_knows_stop_the_run(sheets: LabelledSheets, word: str):
    sheets.rows["ClassId"] = word
    with pytest.raises(SteelDefectsError, match=r"6 of 6 defective sheets set aside|class 0"):
        sheets.read()


def test_every_row_twice_counts_once(sheets: LabelledSheets):
    sheets.read()
    before = sheets.annotations
    sheets.rows = pd.concat([sheets.rows, sheets.rows], ignore_index=True)
    assert len(sheets.read()) == 12
    pd.testing.assert_frame_equal(sheets.annotations, before)
    assert all("the same pixels, counted once" in reason for reason in sheets.findings)


def test_a_row_per_instance_is_joined(sheets: LabelledSheets):
    sheets.read()
    before = sheets.annotations
    runs = [row.split() for row in sheets.rows["EncodedPixels"]]
    halves = [
        [" ".join(r[: len(r) // 4 * 2]) for r in runs],
        [" ".join(r[len(r) // 4 * 2 :]) for r in runs],
    ]
    parts = [sheets.rows.assign(EncodedPixels=half) for half in halves]
    sheets.rows = pd.concat(parts, ignore_index=True)
    assert len(sheets.read()) == 12
    pd.testing.assert_frame_equal(sheets.annotations, before)
    assert "joined with the first" in sheets.findings[0]


def replace_masks(sheets: LabelledSheets, change: Callable[[np.ndarray], str]) -> None:
    sheets.rows["EncodedPixels"] = [
        change(run_length.decode(rle, HEIGHT, WIDTH)) for rle in sheets.rows["EncodedPixels"]
    ]


def along_rows(mask: np.ndarray) -> str:
    return run_length.encode(mask.reshape(WIDTH, HEIGHT).T)


def of_half_size(mask: np.ndarray) -> str:
    small = mask[::2, ::2]
    padded = np.zeros(HEIGHT * WIDTH, np.uint8)
    padded[: small.size] = small.T.reshape(-1)
    return run_length.encode(padded.reshape(WIDTH, HEIGHT).T) or "1 1"


SUSPECT = {
    "along rows": (along_rows, "whole only if read along rows"),
    "half the size": (of_half_size, "as if drawn for smaller pictures"),
    "inverted": (lambda mask: run_length.encode(1 - mask), "may be inverted"),
}


@pytest.mark.parametrize(("change", "said"), SUSPECT.values(), ids=SUSPECT)
def test_masks_that_look_wrong_stop_the_run(sheets: LabelledSheets, change, said: str):
    replace_masks(sheets, change)
    with pytest.raises(SteelDefectsError, match=f"{said}.*allow_suspect"):
        sheets.read()
    sheets.read(allow_suspect=True)
    assert any(said in reason for reason in sheets.findings)


def test_some_masks_that_look_wrong_are_told(
    sheets: LabelledSheets, caplog: pytest.LogCaptureFixture
):
    rle = run_length.decode(sheets.rows["EncodedPixels"][0], HEIGHT, WIDTH)
    sheets.rows.loc[0, "EncodedPixels"] = along_rows(rle)
    with caplog.at_level(logging.WARNING):
        assert len(sheets.read()) == 12
    assert "1 of " in sheets.findings[0] and "read along rows" in sheets.findings[0]
    assert "read along rows" in caplog.text


def test_classes_counted_from_zero(sheets: LabelledSheets):
    sheets.rows["ClassId"] = [str(int(k) - 1) for k in sheets.rows["ClassId"]]
    with pytest.raises(SteelDefectsError, match="may be counted from 0"):
        sheets.read()


def test_cells_that_a_spreadsheet_cut(sheets: LabelledSheets):
    runs = "".join(f"{n} 1 " for n in range(1, HEIGHT * WIDTH, 2))
    cut = runs[:32_767]
    sheets.rows.loc[0, "EncodedPixels"] = cut
    victim = sheets.rows["ImageId"][0]
    table = sheets.read(limits=TOLERANT)
    assert victim not in set(table["sheet_id"])
    assert any("where spreadsheets cut a cell" in reason for reason in sheets.findings)
    assert any("longest cell of a spreadsheet" in reason for reason in sheets.findings)


def test_what_was_lost_is_said(sheets: LabelledSheets, caplog: pytest.LogCaptureFixture):
    names = sorted(sheets.defective)
    sheets.rows.loc[sheets.rows["ImageId"] == names[0], "EncodedPixels"] = "1 2 3"
    with caplog.at_level(logging.WARNING):
        assert len(sheets.read()) == 11
    assert "1 of 6 defective sheets set aside: mask has an odd count of values (3)" in caplog.text
    sheets.rows.loc[sheets.rows["ImageId"] == names[1], "EncodedPixels"] = "1 2 3"
    with pytest.raises(SteelDefectsError, match=r"2 of \d .*an odd count.*limits\.lost"):
        sheets.read()
    assert len(sheets.read(limits=TOLERANT)) == 10


@pytest.mark.parametrize("ending", [".png", ".PNG", ".tif", ".TIFF", ".bmp"])
def test_masks_of_any_lossless_format(sheets: LabelledSheets, ending: str):
    sheets.read()
    before = sheets.annotations
    place = sheets.masks()
    for file in sorted(place.iterdir()):
        mask = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        file.unlink()
        data = cv2.imencode(ending.lower(), mask)[1].tobytes()
        file.with_suffix(ending).write_bytes(data)
    sheets.read(MaskFolder(place))
    pd.testing.assert_frame_equal(sheets.annotations, before)


def test_opaque_masks_with_alpha(sheets: LabelledSheets):
    sheets.read()
    before = sheets.annotations
    place = sheets.masks()
    for file in place.iterdir():
        mask = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(file), np.dstack([mask] * 3 + [np.full_like(mask, 255)]))
    sheets.read(MaskFolder(place))
    pd.testing.assert_frame_equal(sheets.annotations, before)


def change_masks(place: Path, change: Callable[[np.ndarray], np.ndarray]) -> MaskFolder:
    for file in place.iterdir():
        cv2.imwrite(str(file), change(cv2.imread(str(file), cv2.IMREAD_UNCHANGED)))
    return MaskFolder(place)


def blurred(mask: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(np.where(mask > 0, 255, 0).astype(np.uint8), (3, 3), 0)


def test_soft_masks(sheets: LabelledSheets):
    masks = change_masks(sheets.masks(), blurred)
    one = {"class_names": ("defect",)}
    with pytest.raises(SteelDefectsError, match=r"6 of 6 defective.*mask_threshold"):
        sheets.read(masks, **one)
    sheets.read(masks, **one, mask_threshold=128)
    assert len(sheets.annotations) == 6


def test_pictures_without_a_mask(sheets: LabelledSheets):
    place = sheets.masks()
    for name in set(sheets.drawn) - sheets.defective:
        (place / name.replace(".jpg", ".png")).unlink()
    with pytest.raises(SteelDefectsError, match=r"6 of 6 clean sheets.*missing_mask: clean"):
        sheets.read(MaskFolder(place))
    table = sheets.read(MaskFolder(place), missing_mask="clean")
    assert (len(table), table["has_defect"].sum()) == (12, 6)


@pytest.mark.parametrize("suffix", ["_GT", "_mask", "-label", ".mask"])
def test_masks_with_a_suffix_are_read(sheets: LabelledSheets, suffix: str):
    place = sheets.masks()
    for file in sorted(place.iterdir()):
        file.rename(file.with_name(f"{file.stem}{suffix}.png"))
    table = sheets.read(MaskFolder(place))
    assert (len(table), table["has_defect"].sum()) == (12, 6)
    assert sheets.findings == [f"masks are named as their pictures and {suffix}"]


def test_a_suffix_of_some_masks_only_is_named(sheets: LabelledSheets):
    place = sheets.masks()
    for file in sorted(place.iterdir())[:6]:
        file.rename(file.with_name(f"{file.stem}_GT.png"))
    with pytest.raises(SteelDefectsError, match=r"there is sheet_\d+_GT\.png"):
        sheets.read(MaskFolder(place))


def test_masks_of_unknown_values_name_the_parameter(sheets: LabelledSheets):
    masks = change_masks(sheets.masks(), lambda mask: np.where(mask > 0, 255, 0).astype(np.uint8))
    with pytest.raises(SteelDefectsError, match=r"6 of 6 defective.*value 255.*mask_values"):
        sheets.read(masks)


def test_one_mask_for_two_pictures(sheets: LabelledSheets):
    masks = MaskFolder(sheets.masks())
    name = sorted(sheets.defective)[0]
    picture = cv2.imread(str(sheets.pictures / name))
    cv2.imwrite(str(sheets.pictures / name.replace(".jpg", ".png")), picture)
    table = sheets.read(masks, limits=TOLERANT)
    assert any("one mask for this picture and" in reason for reason in sheets.findings)
    assert len(table) == 11


@pytest.mark.parametrize("factor", [2, 3])
def test_masks_that_were_resized_as_pictures_are_told(sheets: LabelledSheets, factor: int):
    size = WIDTH // factor, HEIGHT // factor
    place = sheets.masks()
    for file in place.iterdir():
        # Every sheet has the highest class, which interpolation turns into all those below it.
        mask = np.where(cv2.imread(str(file), cv2.IMREAD_UNCHANGED) > 0, 4, 0).astype(np.uint8)
        cv2.imwrite(str(file), cv2.resize(cv2.resize(mask, size), (WIDTH, HEIGHT)))
    with pytest.raises(SteelDefectsError, match="may have been resized.*allow_suspect"):
        sheets.read(MaskFolder(place))


def test_one_resized_mask_is_told(sheets: LabelledSheets):
    place = sheets.masks()
    file = place / sorted(sheets.defective)[0].replace(".jpg", ".png")
    mask = np.where(cv2.imread(str(file), cv2.IMREAD_UNCHANGED) > 0, 4, 0).astype(np.uint8)
    cv2.imwrite(str(file), cv2.resize(cv2.resize(mask, (128, 32)), (WIDTH, HEIGHT)))
    sheets.read(MaskFolder(place))
    assert any("may have been resized" in reason for reason in sheets.findings)


@pytest.mark.parametrize("quality", [30, 60, 95])
def test_masks_through_jpeg(sheets: LabelledSheets, quality: int):
    def saved(mask: np.ndarray) -> np.ndarray:
        data = cv2.imencode(".jpg", mask, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return cv2.imdecode(data, cv2.IMREAD_UNCHANGED)

    loud = change_masks(sheets.masks(), lambda mask: saved(mask * 60))
    with pytest.raises(SteelDefectsError, match="defective sheets set aside: mask has value"):
        sheets.read(loud)
    quiet = change_masks(sheets.masks("quiet"), saved)
    try:
        sheets.read(quiet)
    except SteelDefectsError:
        return
    exact = all(
        np.array_equal(
            cv2.imread(str(quiet.path_of(name)), cv2.IMREAD_UNCHANGED), sheets.mask(name)
        )
        for name in sheets.drawn
    )
    assert exact or any("may have been" in reason for reason in sheets.findings)


def test_a_jpeg_is_no_mask(sheets: LabelledSheets):
    place = sheets.masks()
    for file in place.iterdir():
        mask = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        file.write_bytes(cv2.imencode(".jpg", mask)[1].tobytes())
    with pytest.raises(SteelDefectsError, match="mask is a JPEG"):
        sheets.read(MaskFolder(place))


@pytest.mark.parametrize("level", [0, 255])
def test_frames_without_steel_are_not_clean(sheets: LabelledSheets, level: int):
    frame = np.full((HEIGHT, WIDTH), level, np.uint8)
    cv2.imwrite(str(sheets.pictures / "frame.png"), frame)
    table = sheets.read()
    assert "frame.png" not in set(table["sheet_id"])
    assert any("not a clean sheet" in reason for reason in sheets.findings)


def test_leftovers_of_editors_are_left_out(
    sheets: LabelledSheets, caplog: pytest.LogCaptureFixture
):
    victim = sorted(sheets.defective)[0]
    for place in (".ipynb_checkpoints", "__MACOSX", "."):
        (sheets.pictures / place).mkdir(exist_ok=True)
    stem = victim.removesuffix(".jpg")
    shutil.copy(
        sheets.pictures / victim, sheets.pictures / f".ipynb_checkpoints/{stem}-checkpoint.jpg"
    )
    shutil.copy(sheets.pictures / victim, sheets.pictures / f"__MACOSX/._{victim}")
    shutil.copy(sheets.pictures / victim, sheets.pictures / f"._{victim}")
    assert len(sheets.read()) == 12
    assert caplog.text.count("are left out") == 1, caplog.text


def test_padded_jpegs_are_read(sheets: LabelledSheets):
    for file in sheets.pictures.iterdir():
        file.write_bytes(file.read_bytes() + bytes(10_000))
    assert len(sheets.read()) == 12


@pytest.mark.parametrize("ending", [".webp", ".jp2"])
def test_pictures_of_other_formats_are_read(sheets: LabelledSheets, ending: str):
    for file in sorted(sheets.pictures.iterdir()):
        picture = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        options = [cv2.IMWRITE_WEBP_QUALITY, 101] if ending == ".webp" else []
        file.with_suffix(ending).write_bytes(cv2.imencode(ending, picture, options)[1].tobytes())
        file.unlink()
    sheets.rows["ImageId"] = sheets.rows["ImageId"].str.replace(".jpg", ending)
    sheets.defective = set(sheets.rows["ImageId"])
    table = sheets.read()
    assert (len(table), table["has_defect"].sum()) == (12, 6)
    assert sheets.findings == []


def test_no_row_is_read_where_unreadable_pictures_are_all_of_a_kind(sheets: LabelledSheets):
    for name in sheets.defective:
        os.truncate(sheets.pictures / name, 600)
    with pytest.raises(SteelDefectsError, match=r"6 of 6 defective sheets set aside: truncated"):
        sheets.read()


def with_exif(file: Path, orientation: int, picture: np.ndarray) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(picture).save(file, exif=exif, quality=95)


#: How a picture is stored that EXIF's number turns into what is seen.
STORED = {
    2: lambda p: p[:, ::-1], 3: lambda p: p[::-1, ::-1], 4: lambda p: p[::-1],
    5: lambda p: p.T, 6: np.rot90, 7: lambda p: p[::-1, ::-1].T,
    8: lambda p: np.rot90(p, -1),
}  # fmt: skip


@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize("exif", [5, 6, 7, 8])
def test_quarter_turns_are_applied_where_the_size_shows_them(
    sheets: LabelledSheets, exif: int, ending: str
):
    name = sorted(sheets.defective)[0]
    file = sheets.pictures / name
    picture = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    file.unlink()
    turned = file.with_suffix(ending)
    with_exif(turned, exif, np.ascontiguousarray(STORED[exif](picture)))
    sheets.rows["ImageId"] = sheets.rows["ImageId"].replace(name, turned.name)
    table = sheets.read()
    assert len(table) == 12
    seen = SheetFolder(sheets.root).read(f"train_images/{turned.name}").astype(int)
    assert np.abs(seen - picture).mean() < 4
    # Without a size to hold it against, nobody knows whether its labels fit.
    table = sheets.read(expected_size=None, limits=TOLERANT)
    assert turned.name not in set(table["sheet_id"])
    # A mask as large as the turned picture shows it, too.
    masks = MaskFolder(sheets.masks())
    assert len(sheets.read(masks, expected_size=None)) == 12


@pytest.mark.parametrize("exif", [2, 3, 4])
def test_half_turns_and_mirrors_are_set_aside(sheets: LabelledSheets, exif: int):
    name = sorted(sheets.defective)[0]
    picture = cv2.imread(str(sheets.pictures / name), cv2.IMREAD_GRAYSCALE)
    with_exif(sheets.pictures / name, exif, np.ascontiguousarray(STORED[exif](picture)))
    table = sheets.read()
    assert name not in set(table["sheet_id"])
    assert any(f"EXIF {exif}" in reason for reason in sheets.findings)


@pytest.mark.parametrize("exif", [6, 8])
def test_pictures_that_turn_to_another_size_are_set_aside(sheets: LabelledSheets, exif: int):
    name = sorted(sheets.defective)[0]
    picture = cv2.imread(str(sheets.pictures / name), cv2.IMREAD_GRAYSCALE)
    with_exif(sheets.pictures / name, exif, picture)
    assert name not in set(sheets.read()["sheet_id"])
    assert any("turned, as its EXIF data ask" in reason for reason in sheets.findings)


@pytest.mark.parametrize("scale", [1, 255])
def test_masks_beside_the_pictures_stop_the_run(sheets: LabelledSheets, scale: int):
    for name in sheets.defective:
        mask = sheets.mask(name) if scale == 1 else (sheets.mask(name) > 0) * np.uint8(255)
        cv2.imwrite(str(sheets.pictures / name.replace(".jpg", "_mask.png")), mask)
    with pytest.raises(SteelDefectsError, match="6 of 18 pictures are masks.*allow_suspect"):
        sheets.read()
    table = sheets.read(allow_suspect=True)
    assert set(table["sheet_id"]) == set(sheets.drawn)


def test_what_is_not_looked_at_is_told(sheets: LabelledSheets, caplog: pytest.LogCaptureFixture):
    elsewhere = sheets.root.with_name("store")
    shutil.copytree(sheets.pictures, elsewhere)
    (sheets.pictures / "linked").symlink_to(elsewhere)
    (sheets.pictures / "film.gif").write_bytes(b"GIF89a")
    (sheets.root / "images").mkdir()
    assert len(sheets.read()) == 12
    assert "1 linked folders, 1 .gif, the folder images" in caplog.text


NAME_DAMAGES = [
    *(change for change, _ in RENAMED.values()),
    "typo_{}".format,
    lambda name: name.replace("0", "O"),
    lambda name: name + " ",
    lambda name: "",
]
CELL_DAMAGES = [
    lambda rle: rle + " 5",
    lambda rle: rle.replace("1", "l"),
    lambda rle: " ".join(reversed(rle.split())),
    lambda rle: rle + f" {HEIGHT * WIDTH} 9",
    lambda rle: "0 " + rle.partition(" ")[2],
    lambda rle: rle + " " + rle,
]
CLASS_DAMAGES = ["0", "9", "Riss", "", "1;2", "-3"]


@st.composite
def damages(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    """What is damaged, in which row, and how."""
    kind = st.sampled_from(["name", "cell", "class", "cut", "gone"])
    return draw(
        st.lists(st.tuples(kind, st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=4)
    )


def damage(sheets: LabelledSheets, kind: str, row: int, how: int) -> None:
    row %= len(sheets.rows)
    picture = sheets.pictures / sorted(sheets.defective)[row % len(sheets.defective)]
    if kind == "name":
        change = NAME_DAMAGES[how % len(NAME_DAMAGES)]
        sheets.rows.loc[row, "ImageId"] = change(sheets.rows.loc[row, "ImageId"])
    elif kind == "cell":
        change = CELL_DAMAGES[how % len(CELL_DAMAGES)]
        sheets.rows.loc[row, "EncodedPixels"] = change(sheets.rows.loc[row, "EncodedPixels"])
    elif kind == "class":
        sheets.rows.loc[row, "ClassId"] = CLASS_DAMAGES[how % len(CLASS_DAMAGES)]
    elif kind == "cut" and picture.is_file():
        os.truncate(picture, 100 + how)
    elif picture.is_file():
        picture.unlink()


@pytest.mark.slow
@settings(derandomize=True, max_examples=60, deadline=None)
@given(damaged=damages(), tolerant=st.booleans())
def test_no_label_is_lost_without_a_word(tmp_path_factory, damaged, tolerant: bool):
    sheets = LabelledSheets(tmp_path_factory.mktemp("damaged") / "data")
    sheets.read()
    truth = masks_by_sheet(sheets.annotations)
    for one in damaged:
        damage(sheets, *one)
    try:
        table = sheets.read(limits=TOLERANT if tolerant else TrustLimits())
    except SteelDefectsError:
        return
    found = masks_by_sheet(sheets.annotations)
    changed = {s for s in table["sheet_id"] if found.get(s, {}) != truth.get(s, {})}
    # Of a name that is nobody's, nobody can say whose it was; that there are such is said.
    told = any("no picture that is there" in reason for reason in sheets.findings)
    assert not changed or told
    assert told or not sheets.false_clean(table)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_pictures_of_a_camera_of_few_bits(sheets: LabelledSheets, bits: int):
    for file in sorted(sheets.pictures.iterdir()):
        picture = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        cv2.imwrite(str(file.with_suffix(".png")), picture.astype(np.uint16) << (bits - 8))
        file.unlink()
    sheets.rows["ImageId"] = sheets.rows["ImageId"].str.replace(".jpg", ".png")
    with pytest.raises(
        SteelDefectsError, match=rf"6 of 6 .* of which {bits} are used.*bit_depth={bits}"
    ):
        sheets.read()
    assert len(sheets.read(bit_depth=bits)) == 12
    assert set(sheets.inventory["bits"]) == {bits}
    assert sheets.inventory["mean_intensity"].between(40, 200).all()
    with pytest.raises(SteelDefectsError, match="bit_depth="):
        sheets.read()
    with pytest.raises(SteelDefectsError, match="takes more than 10 bits|of which"):
        sheets.read(bit_depth=10 if bits > 10 else None)


def test_pictures_of_sixteen_bits_are_read(sheets: LabelledSheets):
    for file in sorted(sheets.pictures.iterdir()):
        picture = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        cv2.imwrite(str(file.with_suffix(".png")), picture.astype(np.uint16) * 257)
        file.unlink()
    sheets.rows["ImageId"] = sheets.rows["ImageId"].str.replace(".jpg", ".png")
    assert len(sheets.read()) == 12
    assert set(sheets.inventory["bits"]) == {16}


def test_an_example_of_each_slip_is_drawn(sheets: LabelledSheets):
    def captions() -> list[str]:
        table = sheets.read(limits=TOLERANT, allow_suspect=True)
        odd = nodes.find_oddest_sheets(table, sheets.inventory)
        folder = SheetFolder(sheets.root)
        figure = nodes.draw_oddest_sheets(
            folder, odd, table, sheets.annotations, sheets.all_findings, CONFIG
        )
        return [axes.get_title(loc="left") for axes in figure.axes]

    assert not any("inverted" in caption for caption in captions())
    replace_masks(sheets, lambda mask: run_length.encode(1 - mask))
    assert "they may be inverted" in captions()[0]
