"""The cascade: the gate sees every sheet, the segmenter only those it does not clear."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import numpy as np
from numpy.typing import NDArray

from steel_defects.decision.reasons import REPEATED, UNLEARNED, UNREADABLE
from steel_defects.decision.regions import Region
from steel_defects.decision.verdict import Verdict, decide
from steel_defects.images.folder import SheetFolder
from steel_defects.images.reading import UnreadableSheet, limited_by_memory
from steel_defects.inspection.config import InspectionConfig
from steel_defects.inspection.frames import (
    Frame,
    RecentFrames,
    accepted_pictures,
    frame_problem,
    read_frame,
)
from steel_defects.labels import rle as run_length
from steel_defects.package.folder import ModelPackage
from steel_defects.package.recall import at_recall
from steel_defects.package.runtimes import DeferredRuntime, PackageRuntime
from steel_defects.paths import natural_order
from steel_defects.threads import map_in_order


@dataclass(frozen=True)
class InspectedSheet:
    """A sheet with its verdict and its defects; the rest is as in :class:`Frame`.

    Attributes:
        gate_score: Calibrated score of the gate; None without a gate or a usable frame.
        masks: Encoded mask of each class, ``""`` for none.
        seconds: Time that judging took, without reading; 0 where the networks saw nothing.
        frame: Digest of its pixels.
        inspected_at: In UTC.
        joint_score: As in :class:`~steel_defects.decision.verdict.Decision`, like ``margin``; the
            journals of earlier releases have neither.
    """

    sheet_id: str
    verdict: Verdict
    gate_score: float | None
    regions: tuple[Region, ...]
    masks: tuple[str, ...]
    statistics: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    frame: str = ""
    file: tuple[int, int] = (0, 0)
    thumbnail: str = ""
    nearly_repeated: bool = False
    inspected_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    joint_score: float | None = None
    margin: float | None = None
    remarks: str = ""


class Cascade:
    """Judges frames with the networks of a package.

    Attributes:
        runtime: What runs them.
        policy: What decides on their answers.
        accepted: Which pictures are judged at all.
    """

    def __init__(
        self,
        package: ModelPackage,
        runtime: PackageRuntime | DeferredRuntime,
        config: InspectionConfig,
    ) -> None:
        package = at_recall(package, config.target_recall)
        self.runtime, self.policy, self._config = runtime, package.manifest.policy, config
        self._least_sharpness = package.manifest.reference.get("sharpness", [0.0])[0]
        self.accepted = accepted_pictures(package.manifest.learned, config)
        self._no_masks = ("",) * len(package.manifest.class_names)

    def judge(self, frame: Frame) -> InspectedSheet:
        """Judge a frame; a broken one becomes a review, never an error."""
        try:
            with limited_by_memory():
                problem = frame.problem or (REPEATED if frame.repeated else "")
                problem = problem or self._unlearned(frame)
                problem = problem or frame_problem(
                    frame.statistics, self._least_sharpness, self._config, frame.damage
                )
                if not problem and frame.image is not None:
                    return self._judge(frame, frame.image)
        except UnreadableSheet as error:
            problem = f"{UNREADABLE}: {error}"
        return InspectedSheet(
            frame.sheet_id, Verdict("review", problem), None, (), self._no_masks,
            frame.statistics, frame=frame.digest, file=frame.file, thumbnail=frame.thumbnail,
            remarks=frame.remarks,
        )  # fmt: skip

    def _unlearned(self, frame: Frame) -> str:
        header = frame.header
        if frame.image is None or header is None:
            return ""
        height, width = frame.image.shape
        problem = self.accepted.problem_of((height, width), header)
        return f"{UNLEARNED}: {problem}" if problem else ""

    def _judge(self, frame: Frame, image: NDArray[np.uint8]) -> InspectedSheet:
        started = time.perf_counter()
        gate_score = self.runtime.gate_score(image)
        decision = decide(
            self.policy, self._config, gate_score, lambda: self.runtime.segment(image)
        )
        masks = tuple(run_length.encode(mask) for mask in decision.masks) or self._no_masks
        return InspectedSheet(
            frame.sheet_id, decision.verdict, gate_score, decision.regions, masks,
            frame.statistics, time.perf_counter() - started, frame.digest, frame.file,
            frame.thumbnail, frame.nearly_repeated,
            joint_score=decision.joint_score, margin=decision.margin, remarks=frame.remarks,
        )  # fmt: skip


def judge_in_order(
    cascade: Cascade, frames: Iterable[Frame], recent: RecentFrames, threads: int
) -> Iterator[tuple[Frame, InspectedSheet]]:
    """Judge frames in the order in which the camera took them, several at a time.

    Each is compared with the last ones before it, the first with ``recent``. One thread is the
    caller's.
    """
    # The next frame is taken only when it is asked for: a watched folder can wait.
    return map_in_order(
        lambda frame: (frame, cascade.judge(frame)),
        map(recent.compare, frames),
        0 if threads == 1 else threads,
        threads,
    )


def inspect_folder(cascade: Cascade, folder: SheetFolder) -> Iterator[InspectedSheet]:
    """Judge every sheet of a folder in natural order of their names, and keep nothing on disk."""
    names = sorted(folder.sheet_ids, key=natural_order)
    bits = cascade.accepted.bits
    frames = map(partial(read_frame, folder.read_file, bit_depth=bits), names)
    return (sheet for _, sheet in judge_in_order(cascade, frames, RecentFrames(), threads=1))
