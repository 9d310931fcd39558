"""The last frames of a camera, among which one that is frozen or plays a loop repeats itself."""

from collections import deque
from collections.abc import Iterable

from steel_defects.inspection.frames import Frame

#: Frames before a frame that it is compared with.
RECENT_FRAMES = 32


class RecentFrames:
    """The last frames that were judged, those that can't be read included."""

    def __init__(self) -> None:
        """Begin before the first frame."""
        self._digests: deque[str] = deque(maxlen=RECENT_FRAMES)

    def extend(self, digests: Iterable[str]) -> None:
        """Take frames that an earlier run judged, by the digests of their pixels."""
        self._digests.extend(digests)

    def add(self, frame: Frame) -> bool:
        """Take a frame, and tell whether it repeats one of those before it."""
        repeated = bool(frame.digest) and frame.digest in self._digests
        self._digests.append(frame.digest)
        return repeated
