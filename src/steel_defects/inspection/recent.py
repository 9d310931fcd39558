"""The last frames of a camera, among which one that is frozen or plays a loop repeats itself."""

from collections import deque
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from steel_defects.data.inventory import BLACK_LEVEL
from steel_defects.inspection.frames import Frame

#: Frames before a frame that it is compared with.
RECENT_FRAMES = 32
#: Frames among them that a frame nearly equals before it is said: two sheets may look alike.
ALIKE_FRAMES = 3
# A clock that is burnt in changes few cells of a thumbnail, and encoding a picture again changes
# each by less than this, gray values.
_SAME_LEVEL = 2
_MOST_CHANGED = 0.1


class RecentFrames:
    """The last frames that were judged, those that can't be read included."""

    def __init__(self) -> None:
        """Begin before the first frame."""
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
