"""Incomplete camera frames that are found, and sound ones that are taken for incomplete.

    python benchmarks/incomplete_frames.py [PATH …]

Each picture of the folders (60 drawn sheets, without any) is damaged in every way once. The first
line says how many of the pictures as they are count as damaged: a false alarm, if they are sound.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from steel_defects.data.appearance import frame_damage
from steel_defects.data.config import SampleDataConfig
from steel_defects.data.synthetic import draw_sheet
from steel_defects.images.folder import SheetFolder

Picture = NDArray[np.uint8]
#: Makes a damaged picture of one, of another, and of chance.
Damage = Callable[[Picture, Picture, np.random.Generator], Picture]

PACKET = 1500  # bytes
DRAWN = 60


def lost_packets(share: float, value: int) -> Damage:
    """Lose packets of pixels, at least one."""

    def damage(image: Picture, other: Picture, rng: np.random.Generator) -> Picture:
        pixels = image.copy().reshape(-1)
        packets = pixels.size // PACKET
        for number in rng.choice(packets, max(1, round(share * packets)), replace=False):
            pixels[number * PACKET : (number + 1) * PACKET] = value
        return pixels.reshape(image.shape)

    return damage


def lost_end(share: float, value: int) -> Damage:
    """Lose all pixels from one on."""

    def damage(image: Picture, other: Picture, rng: np.random.Generator) -> Picture:
        pixels = image.copy().reshape(-1)
        pixels[round((1 - share) * pixels.size) :] = value
        return pixels.reshape(image.shape)

    return damage


def lost_rows(image: Picture, other: Picture, rng: np.random.Generator) -> Picture:
    """Lose eight rows."""
    image, first = image.copy(), rng.integers(image.shape[0] - 8)
    image[first : first + 8] = 0
    return image


def repeated_rows(image: Picture, other: Picture, rng: np.random.Generator) -> Picture:
    """Receive sixteen rows twice."""
    image, first = image.copy(), rng.integers(16, image.shape[0] - 16)
    image[first : first + 16] = image[first - 16 : first]
    return image


def repeated_row(image: Picture, other: Picture, rng: np.random.Generator) -> Picture:
    """Receive one row again and again, to the end."""
    image, first = image.copy(), rng.integers(16, image.shape[0] - 16)
    image[first:] = image[first]
    return image


def mixed_rows(image: Picture, other: Picture, rng: np.random.Generator) -> Picture:
    """Receive odd rows of another frame."""
    image = image.copy()
    if other.shape == image.shape:
        image[1::2] = other[1::2]
    else:
        image[1::2] = np.roll(image[1::2], image.shape[1] // 2, axis=1)
    return image


def in_jpeg(damage: Damage, quality: int) -> Damage:
    """Save the damaged frame as JPEG."""

    def saved(image: Picture, other: Picture, rng: np.random.Generator) -> Picture:
        options = [cv2.IMWRITE_JPEG_QUALITY, quality]
        data = cv2.imencode(".jpg", damage(image, other, rng), options)[1]
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)

    return saved


DAMAGES: dict[str, Damage] = {
    **{f"{share:.0%} of packets zero": lost_packets(share, 0) for share in (0.02, 0.05, 0.1)},
    **{f"2% of packets {value}": lost_packets(0.02, value) for value in (128, 255)},
    "8 rows zero": lost_rows,
    **{
        f"last {share:.0%} {value}": lost_end(share, value)
        for value in (0, 128, 255)
        for share in (0.1, 0.5, 0.9)
    },
    "16 rows repeated": repeated_rows,
    "one row repeated to the end": repeated_row,
    "odd rows of another frame": mixed_rows,
}
DAMAGES |= {
    f"{name}, JPEG {quality}": in_jpeg(DAMAGES[name], quality)
    for name in ("2% of packets zero", "8 rows zero", "last 50% 0", "odd rows of another frame")
    for quality in (95, 75)
}


def read_pictures(folders: Sequence[Path]) -> list[Picture]:
    """Read all pictures of the folders; draw some without any."""
    if not folders:
        config = SampleDataConfig(seed=5, sheets=DRAWN, new_sheets=1)
        return [draw_sheet(config, number).image for number in range(DRAWN)]
    sheets = map(SheetFolder, folders)
    return [folder[sheet_id] for folder in sheets for sheet_id in folder.sheet_ids]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="*", metavar="PATH")
    pictures = read_pictures(parser.parse_args().folders)
    others = pictures[1:] + pictures[:1]
    print(f"{'as they are':32}{sum(map(bool, map(frame_damage, pictures))):6} of {len(pictures)}")
    for name, damage in DAMAGES.items():
        rng = np.random.default_rng(0)
        pairs = zip(pictures, others, strict=True)
        found = sum(bool(frame_damage(damage(image, other, rng))) for image, other in pairs)
        print(f"{name:32}{found:6} of {len(pictures)}", flush=True)


if __name__ == "__main__":
    main()
