"""What a camera frame looks like, whether it can be judged, and whether it repeats others."""

import zlib
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from steel_defects.data.appearance import BLACK_LEVEL, frame_damage, frame_statistics
from steel_defects.decision.reasons import (
    BLACK,
    INCOMPLETE,
    OUT_OF_FOCUS,
    SATURATED,
    UNREADABLE,
)
from steel_defects.images.headers import Header
from steel_defects.images.reading import (
    UnreadableSheet,
    decode_gray,
    limited_by_memory,
    picture_note,
    sound_header,
)
from steel_defects.inspection.config import InspectionConfig
from steel_defects.package.manifest import BitDepth, LearnedPictures, Range

_DIGEST_BLOCKS = 8
_PLAIN_BITS: BitDepth = 8
#: Pictures that are read ahead of the networks, at most.
READ_AHEAD = 16
#: Frames before a frame that it is compared with.
RECENT_FRAMES = 32
#: Frames among them that a frame nearly equals before it is said: two sheets may look alike.
ALIKE_FRAMES = 3
# A clock that is burnt in changes few cells of a thumbnail, and encoding a picture again changes
# each by less than this, gray values.
_SAME_LEVEL = 2
_MOST_CHANGED = 0.1


def frame_problem(
    statistics: dict[str, float], least_sharpness: float, config: InspectionConfig, damage: str = ""
) -> str:
    """Say why a frame can't be judged; empty where it can.

    ``statistics`` and ``damage`` come from ``data.appearance``; ``least_sharpness`` is that of the
    least sharp reference sheets.
    """
    if statistics["black_share"] >= config.black_share:
        return BLACK
    if statistics["white_share"] >= config.saturated_share:
        return SATURATED
    if damage:
        return INCOMPLETE
    if statistics["sharpness"] < config.focus_share * least_sharpness:
        return OUT_OF_FOCUS
    return ""


@dataclass(frozen=True)
class Accepted:
    """What pictures are judged: sizes in pixels, least and greatest; None takes any.

    Attributes:
        bits: Of a channel that the camera uses where it stores 16; 8 takes no such picture.
    """

    height: Range | None
    width: Range | None
    bits: BitDepth

    def problem_of(self, size: tuple[int, int], header: Header) -> str:
        """Say why a picture of a height and width, as it was decoded, is not judged."""
        if header.several:
            return "several pictures in one file, of which nobody knows which is meant"
        if self.bits == _PLAIN_BITS < header.bits:
            return f"{header.bits} bits a channel, of which nobody knows how many are used"
        fits = self._fits(size)
        if header.exif > 1 and not (header.exif > 4 and fits and not self._fits(size[::-1])):
            return (
                f"asks to be turned or mirrored (EXIF {header.exif}), and its size doesn't show it"
            )
        return "" if fits else f"size {size[1]}×{size[0]}"

    def _fits(self, size: tuple[int, int]) -> bool:
        allowed = zip(size, (self.height, self.width), strict=True)
        return all(limits is None or limits[0] <= side <= limits[1] for side, limits in allowed)


def accepted_pictures(learned: LearnedPictures | None, config: InspectionConfig) -> Accepted:
    """Return what is judged: what the package learned, unless the settings say otherwise."""
    if learned is None:
        return Accepted(config.height, config.width, config.bits or _PLAIN_BITS)
    return Accepted(
        config.height or learned.height,
        config.width or learned.width,
        config.bits or learned.bits,
    )


@dataclass(frozen=True)
class Frame:
    """A sheet that was read, ready to be judged; of an unreadable one most is None or empty.

    Attributes:
        image: Gray picture of shape ``(height, width)``, uint8.
        digest: Of its pixels, by which a repeated frame is told.
        statistics: From :func:`steel_defects.data.appearance.frame_statistics`.
        problem: Why it can't be read; empty for one that can.
        file: Size and time of change of its file, where a folder is watched.
        thumbnail: From :func:`thumbnail_of`.
        repeated: Whether one of the last frames before it has its pixels.
        nearly_repeated: Whether several of them nearly have.
        data: The bytes of its file.
    """

    sheet_id: str
    image: NDArray[np.uint8] | None
    digest: str = ""
    statistics: dict[str, float] = field(default_factory=dict)
    problem: str = ""
    file: tuple[int, int] = (0, 0)
    thumbnail: str = ""
    repeated: bool = False
    nearly_repeated: bool = False
    data: bytes = field(default=b"", repr=False)

    @property
    def header(self) -> Header | None:
        """What its file says of itself."""
        return sound_header(self.data) if self.data else None

    @property
    def remarks(self) -> str:
        """What reading changed in the picture: looked for when the frame is judged, not read."""
        return picture_note(self.data) if self.data else ""

    @property
    def damage(self) -> str:
        """Which rows are lost, repeated or mixed: looked for when the frame is judged, not read."""
        return "" if self.image is None else frame_damage(self.image)


def read_frame(
    read_file: Callable[[str], bytes], sheet_id: str, bit_depth: int | None = None
) -> Frame:
    """Read and measure a sheet; one for which ``read_file`` raises has a problem.

    ``bit_depth`` is as in :func:`steel_defects.images.reading.decode_gray`.
    """
    try:
        with limited_by_memory():
            data = read_file(sheet_id)
            image = decode_gray(data, bit_depth)
            digest, statistics = pixel_digest(image), frame_statistics(image)
            return Frame(
                sheet_id, image, digest, statistics, thumbnail=thumbnail_of(image), data=data
            )
    except UnreadableSheet as error:
        return Frame(sheet_id, None, problem=f"{UNREADABLE}: {error}")


def thumbnail_of(image: NDArray[np.uint8]) -> str:
    """Return mean gray values of 8×16 cells in hexadecimal digits, from each sixteenth row."""
    # All rows would take ten times as long, and tell no more.
    return cv2.resize(image[::16], (16, 8), interpolation=cv2.INTER_AREA).tobytes().hex()


def pixel_digest(image: NDArray[np.uint8]) -> str:
    """Return the size of a picture and the CRC-32 of each eighth of its pixels.

    Two pictures whose noise differs everywhere agree by chance once in 2²⁵⁶ pairs, two that differ
    in one eighth alone once in 2³². SHA-256, where the processor computes it, takes three times as
    long.
    """
    blocks = np.array_split(np.ascontiguousarray(image).reshape(-1), _DIGEST_BLOCKS)
    checks = "".join(f"{zlib.crc32(block.data):08x}" for block in blocks)
    return f"{image.shape[0]}x{image.shape[1]}-{checks}"


class RecentFrames:
    """The last frames that were judged, those that can't be read included.

    A camera that is frozen or plays a loop repeats one of them.
    """

    def __init__(self) -> None:
        self._frames: deque[tuple[str, str]] = deque(maxlen=RECENT_FRAMES)

    def extend(self, frames: Iterable[tuple[str, str]]) -> None:
        """Take frames that an earlier run judged: digest and thumbnail of each."""
        self._frames.extend(frames)

    def compare(self, frame: Frame) -> Frame:
        """Take a frame, and return it with what the ones before it say about it."""
        repeated = bool(frame.digest) and any(frame.digest == digest for digest, _ in self._frames)
        alike = 0 if repeated or not frame.digest else self._count_alike(frame.thumbnail)
        self._frames.append((frame.digest, frame.thumbnail))
        return replace(frame, repeated=repeated, nearly_repeated=alike >= ALIKE_FRAMES)

    def _count_alike(self, thumbnail: str) -> int:
        """Count the frames whose steel looks the same in nearly all cells of the thumbnail."""
        hexadecimal = thumbnail + "".join(each for _, each in self._frames)
        values = np.frombuffer(bytes.fromhex(hexadecimal), np.uint8)
        values = values.reshape(-1, len(thumbnail) // 2).astype(np.int16)
        steel = np.maximum(values[0], values[1:]) >= BLACK_LEVEL
        changed = np.abs(values[0] - values[1:]) > _SAME_LEVEL
        return int((changed.sum(1) <= _MOST_CHANGED * steel.sum(1)).sum())
