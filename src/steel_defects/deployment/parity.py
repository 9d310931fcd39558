"""How close exports come to the trained networks, and which are refused."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.decision.answers import SheetPrediction
from steel_defects.decision.limits import VerdictConfig
from steel_defects.deployment.export import Candidate
from steel_defects.deployment.graphs import as_float32
from steel_defects.deployment.judging import Judge, Judged, Masks, mean_dice
from steel_defects.deployment.sheets import DeploymentSheets
from steel_defects.labels import rle as run_length
from steel_defects.package.folder import ModelPackage, NetworkName
from steel_defects.package.runtimes.choice import load_gate, load_segmenter
from steel_defects.package.runtimes.config import ExecutionConfig
from steel_defects.package.runtimes.keras_network import KerasNetwork, load_keras
from steel_defects.package.runtimes.runtime import Gate, Segmenter
from steel_defects.prediction.inference import sheet_batch, sheet_prediction
from steel_defects.progress import track
from steel_defects.tables.declared import EXPORT_PARITY

logger = logging.getLogger(__name__)

Image = NDArray[np.uint8]
# An export is refused beyond these differences.
_PROBABILITY = 0.0001  # of exports in FP32
# Of the gate's calibrated score, of its other exports: most sheets lie far from any threshold, and
# a score that moves far decides otherwise on some other day.
_SCORE = 0.1
_DICE = 0.005  # of the mean
_CHANGED_SHARE = 0.00405  # of sheets that are judged otherwise, 1 of 247; one always may
# How near to a threshold such a sheet has to be: the trained networks must give the new verdict
# with thresholds moved by this much.
_THRESHOLD_DISTANCE = 0.05
_SENTENCE = 200


@dataclass(frozen=True)
class Answer:
    """What the trained networks say of a sheet, in float32."""

    score: float | None
    outputs: list[NDArray[np.float32]]
    found: SheetPrediction
    judged: Judged


class Reference:
    """The trained networks, in float32 whatever they were trained in."""

    def __init__(self, package: ModelPackage, judge: Judge) -> None:
        """Load them."""
        manifest = package.manifest
        self.tta, self._judge, self.gate = manifest.segmenter.tta, judge, None
        self._stride = manifest.segmenter.stride
        if manifest.gate:
            gate = as_float32(load_keras(package, manifest.gate.file), faster=False)
            self.gate = Gate(KerasNetwork(gate), manifest.gate, manifest.gate.input_size)
        segmenter = load_keras(package, manifest.segmenter.file)
        self._segmenter = KerasNetwork(as_float32(segmenter, faster=False))

    def answer(self, image: Image) -> Answer:
        """Ask them."""
        score = self.gate.score(image) if self.gate else None
        outputs = self._segmenter.predict(sheet_batch(image, self.tta, self._stride))
        found = sheet_prediction(outputs, image.shape, self.tta)
        return Answer(score, outputs, found, self._judge.judge(score, found))


@dataclass
class Comparison:
    """An export beside the trained network, sheet by sheet.

    Attributes:
        network: Which network.
        runtime: What runs it.
        precision: What it computes in.
        asked: The export; None where there is none.
        reason: Why it is refused; empty where it is not.
    """

    network: NetworkName
    runtime: str
    precision: str
    asked: Gate | Segmenter | None
    reason: str = ""
    max_difference: float = 0.0
    changed: int = 0
    far: int = 0
    dice: list[float] = field(default_factory=list)
    dice_before: list[float] = field(default_factory=list)

    def add(self, image: Image, known: Answer, truth: Masks | None, judge: Judge) -> None:
        """Ask the export for a sheet, too."""
        if isinstance(self.asked, Gate):
            score = self.asked.score(image)
            difference = abs(score - (known.score or 0.0))
            judged = judge.judge(score, known.found)
        elif self.asked is not None:
            tta = self.asked.tta
            outputs = self.asked.network.predict(sheet_batch(image, tta, self.asked.stride))
            pairs = zip(outputs, known.outputs, strict=True)
            difference = max(float(np.abs(a - b).max()) for a, b in pairs)
            judged = judge.judge(known.score, sheet_prediction(outputs, image.shape, tta))
        else:
            return
        # A network that answers with something other than numbers differs by all there is.
        self.max_difference = max(self.max_difference, difference if np.isfinite(difference) else 1)
        if judged.verdict != known.judged.verdict:
            self.changed += 1
            moved = (
                judge.judge(known.score, known.found, s)
                for s in (-_THRESHOLD_DISTANCE, _THRESHOLD_DISTANCE)
            )
            self.far += all(one.verdict != judged.verdict for one in moved)
        right = known.judged.masks if truth is None else truth
        self.dice.append(mean_dice(right, judged.masks))
        self.dice_before.append(mean_dice(right, known.judged.masks))

    def row(self) -> dict[str, Any]:
        """Return the row of the table ``export_parity``."""
        compared = len(self.dice)
        change = float(np.mean(self.dice) - np.mean(self.dice_before)) if compared else None
        reason = self.reason or self._fault(change)
        return {
            "network": self.network,
            "runtime": self.runtime,
            "precision": self.precision,
            "sheets": compared,
            "max_difference": self.max_difference if compared else None,
            "tolerance": self._allowed_difference(),
            "changed_verdicts": self.changed,
            "dice_change": change,
            "passed": not reason,
            "reason": reason,
        }

    def _allowed_difference(self) -> float | None:
        """Return what ``max_difference`` may be; None where verdicts and masks alone count."""
        if self.precision == "fp32":
            return _PROBABILITY
        return _SCORE if self.network == "gate" and self.runtime != "keras" else None

    def _fault(self, change: float | None) -> str:
        """Say in what the export is outside its tolerance; empty where it is within."""
        allowed = max(1, int(_CHANGED_SHARE * len(self.dice)))
        if change is None:
            return "no sheet to compare on could be read"
        difference = self._allowed_difference()
        if difference is not None and self.max_difference > difference:
            return f"differs by {self.max_difference:.2g}, more than {difference:.2g}"
        if self.changed > allowed:
            return f"changes {self.changed} verdicts of {len(self.dice)}, more than {allowed}"
        if self.far:
            return (
                f"changes {self.far} verdicts further than {_THRESHOLD_DISTANCE} from a threshold"
            )
        if abs(change) > _DICE:
            return f"changes the mean Dice by {change:+.4f}, more than {_DICE}"
        return ""


def compare_exports(
    package: ModelPackage,
    candidates: Sequence[Candidate],
    sheets: DeploymentSheets,
    inspection: VerdictConfig,
) -> pd.DataFrame:
    """Compare exports with the trained networks, one network exchanged at a time.

    Args:
        package: Holds the trained networks and the files of the exports.
        candidates: The exports, and the cells without one.
        sheets: Those to compare on. Without masks Dice is against those of the trained networks.
        inspection: The limits by which sheets are judged.

    Returns:
        ``network, runtime, precision, sheets, max_difference, tolerance, changed_verdicts,
        dice_change, passed, reason``, one row a cell, and one a network for Keras, as it was saved.
    """
    judge = Judge(package.manifest, inspection)
    reference = Reference(package, judge)
    rows = list(_comparisons(package, candidates))
    classes = len(package.manifest.class_names)
    logger.info("comparing %d exports on %d sheets", len(rows), len(sheets.parity))
    images = track(sheets.read(sheets.parity), len(sheets.parity), "comparing exports")
    for sheet_id, image in images:
        known = reference.answer(image)
        truth = None if sheets.masks is None else _truth(sheets, sheet_id, image, classes)
        for one in rows:
            _try(one, image, known, truth, judge)
    return EXPORT_PARITY.typed(one.row() for one in rows)


def _truth(sheets: DeploymentSheets, sheet_id: str, image: Image, classes: int) -> Masks:
    marked = (sheets.masks or {}).get(sheet_id, {})
    return [run_length.decode(marked.get(k, ""), *image.shape) for k in range(1, classes + 1)]


def _comparisons(package: ModelPackage, candidates: Sequence[Candidate]) -> Iterator[Comparison]:
    execution = ExecutionConfig(streams=1)
    gate = load_gate(package, None, execution)
    if gate:
        yield Comparison("gate", "keras", "saved", gate)
    yield Comparison("segmenter", "keras", "saved", load_segmenter(package, None, execution))
    for cell in candidates:
        asked: Gate | Segmenter | None = None
        reason = cell.reason
        if cell.spec:
            load = load_gate if cell.network == "gate" else load_segmenter
            try:
                asked = load(package, cell.spec, execution)
            except Exception as error:  # each runtime raises whatever its libraries do
                reason = f"cannot be loaded: {_short(error)}"
        yield Comparison(cell.network, cell.runtime, cell.precision, asked, reason)


def _try(one: Comparison, image: Image, known: Answer, truth: Masks | None, judge: Judge) -> None:
    if one.reason:
        return
    try:
        one.add(image, known, truth, judge)
    except Exception as error:  # each runtime raises whatever its libraries do
        one.reason = f"cannot be run: {_short(error)}"
        logger.warning("%s of the %s %s", one.runtime, one.network, one.reason)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:_SENTENCE] or type(error).__name__
