"""The cascade: the gate sees every sheet, the segmenter only those it does not clear."""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from steel_defects.annotations import rle as run_length
from steel_defects.evaluation.postprocessing import sheet_masks
from steel_defects.inspection.config import InspectionConfig
from steel_defects.inspection.frames import frame_problem, frame_statistics
from steel_defects.inspection.package import ModelPackage
from steel_defects.inspection.regions import Region, find_regions
from steel_defects.inspection.rules import Thresholds, Verdict, clears, judge
from steel_defects.inspection.runtimes import Runtime
from steel_defects.sheets.folder import SheetFolder
from steel_defects.sheets.reading import UnreadableSheet


@dataclass(frozen=True)
class InspectedSheet:
    """What inspection found on a sheet.

    Attributes:
        sheet_id: The sheet.
        verdict: What becomes of it, and why.
        gate_score: Calibrated score of the gate; None without a gate or a usable frame.
        regions: The defects.
        masks: Encoded mask of each class, ``""`` for none.
        statistics: From :func:`frame_statistics`; empty for an unreadable sheet.
        seconds: Time that it took.
    """

    sheet_id: str
    verdict: Verdict
    gate_score: float | None
    regions: tuple[Region, ...]
    masks: tuple[str, ...]
    statistics: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


class Cascade:
    """Judges sheets one after the other, in the order in which the camera took them."""

    def __init__(self, package: ModelPackage, runtime: Runtime, config: InspectionConfig) -> None:
        """Set up the cascade of a package."""
        self._manifest, self._runtime, self._config = package.manifest, runtime, config
        gate = package.manifest.gate
        self.thresholds = Thresholds(gate.lower_threshold, gate.upper_threshold) if gate else None
        sharpness = package.manifest.reference.get("sharpness", [0.0])
        self._least_sharpness = sharpness[0]
        self._earlier_frame = ""

    def inspect(self, folder: SheetFolder, sheet_id: str) -> InspectedSheet:
        """Judge one sheet; a broken one becomes a review, never an error."""
        started = time.perf_counter()
        none = ("",) * len(self._manifest.class_names)
        try:
            image = folder.read(folder.relative_path(sheet_id))
        except UnreadableSheet as error:
            verdict = Verdict("review", f"unreadable: {error}")
            return InspectedSheet(sheet_id, verdict, None, (), none)
        statistics = frame_statistics(image)
        problem = self._repeated(image) or frame_problem(
            statistics, self._least_sharpness, self._config
        )
        if problem:
            verdict = Verdict("review", problem)
            return InspectedSheet(sheet_id, verdict, None, (), none, statistics)
        gate_score = self._runtime.gate_score(image)
        regions: list[Region] = []
        masks = none
        if not clears(gate_score, self.thresholds):
            regions, masks = self._outline(image, gate_score)
        verdict = judge(gate_score, self.thresholds, regions, self._config)
        seconds = time.perf_counter() - started
        return InspectedSheet(
            sheet_id, verdict, gate_score, tuple(regions), masks, statistics, seconds
        )

    def _repeated(self, image: NDArray[np.uint8]) -> str:
        """Say so where a frame's pixels equal those of the frame just before it."""
        frame = hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()
        repeated = frame == self._earlier_frame
        self._earlier_frame = frame
        return "camera: repeated frame" if repeated else ""

    def _outline(
        self, image: NDArray[np.uint8], gate_score: float | None
    ) -> tuple[list[Region], tuple[str, ...]]:
        found = self._runtime.segment(image)
        settings = self._manifest.segmenter.postprocessing
        masks = sheet_masks(found.maps, found.presence, settings, gate_score)
        return find_regions(masks, found.maps), tuple(run_length.encode(m) for m in masks)


def inspect_folder(cascade: Cascade, folder: SheetFolder) -> Iterator[InspectedSheet]:
    """Judge every sheet of a folder, in the order of their names."""
    for sheet_id in folder.sheet_ids:
        yield cascade.inspect(folder, sheet_id)
