"""How close exports come to the trained networks, and which are refused."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steel_defects.decision.limits import VerdictConfig
from steel_defects.decision.operating_point import Thresholds
from steel_defects.decision.postprocessing import ClassPostprocessing, SheetPrediction
from steel_defects.decision.verdict import Policy, decide
from steel_defects.deployment.config import DeploymentSheets
from steel_defects.deployment.export import Candidate, one_line
from steel_defects.deployment.graphs import as_float32
from steel_defects.labels import rle as run_length
from steel_defects.labels.rle import dice
from steel_defects.package.folder import ModelPackage
from steel_defects.package.manifest import NetworkName
from steel_defects.package.networks import ExecutionConfig, KerasNetwork, Outputs, load_keras
from steel_defects.package.runtimes import Gate, Segmenter, load_gate, load_segmenter
from steel_defects.prediction.inference import sheet_batch, sheet_prediction
from steel_defects.progress import track
from steel_defects.tables.declared import EXPORT_PARITY

logger = logging.getLogger(__name__)

Image = NDArray[np.uint8]
Masks = list[NDArray[np.uint8]]

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


@dataclass(frozen=True)
class _Judge:
    """Judges sheets as inspection does, from any two answers of the networks."""

    policy: Policy
    limits: VerdictConfig

    def judge(self, gate_score: float | None, prediction: SheetPrediction) -> tuple[str, Masks]:
        """Return the verdict and the mask of each class.

        The segmenter may have seen the sheet although the gate clears it.
        """
        decision = decide(self.policy, self.limits, gate_score, lambda: prediction)
        empty = np.zeros(prediction.maps.shape[:2], np.uint8)
        masks = list(decision.masks) or [empty] * len(self.policy.postprocessing)
        return decision.verdict.verdict, masks

    def moved(self, shift: float) -> "_Judge":
        """Add something to every threshold."""
        gate, stacked = self.policy.thresholds, self.policy.stacked
        policy = Policy(
            thresholds=gate and Thresholds(gate.lower + shift, gate.upper + shift),
            postprocessing=tuple(_moved(one, shift) for one in self.policy.postprocessing),
            stacked=stacked and stacked.model_copy(update={"threshold": stacked.threshold + shift}),
        )
        return replace(self, policy=policy)


def _moved(settings: ClassPostprocessing, shift: float) -> ClassPostprocessing:
    cut = settings.presence_cut
    moves = {
        "threshold": float(np.clip(settings.threshold + shift, 1e-6, 1 - 1e-6)),
        "presence_cut": float(np.clip(cut + shift, 0.0, 1 - 1e-6)) if cut else 0.0,
    }
    return settings.model_copy(update=moves)


def _mean_dice(truth: Masks, masks: Masks) -> float:
    """Return the mean over classes of the Dice coefficient; 1 for a class that is empty in both."""
    pairs = zip(truth, masks, strict=True)
    return float(np.mean([dice(int((a & b).sum()), int(a.sum()), int(b.sum())) for a, b in pairs]))


@dataclass(frozen=True)
class _Answer:
    """What the trained networks say of a sheet, in float32, and what comes of it."""

    score: float | None
    outputs: Outputs
    prediction: SheetPrediction
    verdict: str
    masks: Masks


def _reference(package: ModelPackage, judge: _Judge) -> Callable[[Image], _Answer]:
    """Load the trained networks, in float32 whatever they were trained in."""

    def network(file: str) -> KerasNetwork:
        return KerasNetwork(as_float32(load_keras(package, file), faster=False))

    gate_spec, spec = package.manifest.gate, package.manifest.segmenter
    gate = Gate(network(gate_spec.file), gate_spec, gate_spec.input_size) if gate_spec else None
    segmenter = Segmenter(network(spec.file), spec.tta, spec.stride)

    def answer(image: Image) -> _Answer:
        score = gate.score(image) if gate else None
        outputs, prediction = _ask(segmenter, image)
        return _Answer(score, outputs, prediction, *judge.judge(score, prediction))

    return answer


def _ask(segmenter: Segmenter, image: Image) -> tuple[Outputs, SheetPrediction]:
    outputs = segmenter.network.predict(sheet_batch(image, segmenter.tta, segmenter.stride))
    return outputs, sheet_prediction(outputs, image.shape, segmenter.tta)


@dataclass
class _Comparison:
    """An export next to the trained network, sheet by sheet; ``reason`` says why it is refused."""

    network: NetworkName
    runtime: str
    precision: str
    export: Gate | Segmenter | None
    reason: str = ""
    max_difference: float = 0.0
    changed: int = 0
    far: int = 0
    dice: list[float] = field(default_factory=list)
    dice_before: list[float] = field(default_factory=list)

    def add(self, image: Image, known: _Answer, truth: Masks | None, judge: _Judge) -> None:
        """Ask the export for a sheet, too; one that fails is refused."""
        if self.reason or self.export is None:
            return
        try:
            difference, score, prediction = self._answers(self.export, image, known)
        except Exception as error:  # each runtime raises whatever its libraries do
            self.reason = f"cannot be run: {one_line(error)}"
            logger.warning("%s of the %s %s", self.runtime, self.network, self.reason)
            return
        verdict, masks = judge.judge(score, prediction)
        # A network that answers with something other than numbers differs by all there is.
        self.max_difference = max(self.max_difference, difference if np.isfinite(difference) else 1)
        if verdict != known.verdict:
            self.changed += 1
            shifted = (judge.moved(by) for by in (-_THRESHOLD_DISTANCE, _THRESHOLD_DISTANCE))
            self.far += verdict not in {j.judge(known.score, known.prediction)[0] for j in shifted}
        right = known.masks if truth is None else truth
        self.dice.append(_mean_dice(right, masks))
        self.dice_before.append(_mean_dice(right, known.masks))

    @staticmethod
    def _answers(
        export: Gate | Segmenter, image: Image, known: _Answer
    ) -> tuple[float, float | None, SheetPrediction]:
        """Return by how much an export differs, and the answers of both networks with it."""
        if isinstance(export, Gate):
            score = export.score(image)
            return abs(score - (known.score or 0.0)), score, known.prediction
        outputs, prediction = _ask(export, image)
        pairs = zip(outputs, known.outputs, strict=True)
        return max(float(np.abs(a - b).max()) for a, b in pairs), known.score, prediction

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
            "tolerance": self._tolerance,
            "changed_verdicts": self.changed,
            "dice_change": change,
            "passed": not reason,
            "reason": reason,
        }

    @property
    def _tolerance(self) -> float | None:
        """What ``max_difference`` may be; None where verdicts and masks alone count."""
        if self.precision == "fp32":
            return _PROBABILITY
        scored = self.network == "gate" and self.runtime != "keras"
        return _SCORE if scored else None

    def _fault(self, change: float | None) -> str:
        """Say in what the export is outside its tolerance; empty where it is within."""
        sheets, tolerance = len(self.dice), self._tolerance
        most = max(1, int(_CHANGED_SHARE * sheets))
        if change is None:
            return "no sheet to compare on could be read"
        if tolerance is not None and self.max_difference > tolerance:
            return f"differs by {self.max_difference:.2g}, more than {tolerance:.2g}"
        if self.changed > most:
            return f"changes {self.changed} verdicts of {sheets}, more than {most}"
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

    Candidates are the exports, and the cells without one; ``inspection`` holds the limits by which
    sheets are judged. Where these have no masks, Dice is against those of the trained networks.

    Returns:
        ``export_parity``: one row per cell, and one per network for Keras, as it was saved.
    """
    judge = _Judge(package.manifest.policy, inspection)
    answer = _reference(package, judge)
    comparisons = list(_comparisons(package, candidates))
    classes = range(1, len(package.manifest.class_names) + 1)
    logger.info("comparing %d exports on %d sheets", len(comparisons), len(sheets.parity))
    images = sheets.read(sheets.parity)
    for sheet_id, image in track(images, len(sheets.parity), "comparing exports"):
        known, truth = answer(image), None
        if sheets.masks is not None:
            marked = sheets.masks.get(sheet_id, {})
            truth = [run_length.decode(marked.get(k, ""), *image.shape) for k in classes]
        for comparison in comparisons:
            comparison.add(image, known, truth, judge)
    return EXPORT_PARITY.typed([comparison.row() for comparison in comparisons])


def _comparisons(package: ModelPackage, candidates: Sequence[Candidate]) -> Iterator[_Comparison]:
    execution = ExecutionConfig(streams=1)
    if gate := load_gate(package, None, execution):
        yield _Comparison("gate", "keras", "saved", gate)
    yield _Comparison("segmenter", "keras", "saved", load_segmenter(package, None, execution))
    for cell in candidates:
        comparison = _Comparison(cell.network, cell.runtime, cell.precision, None, cell.reason)
        if cell.spec:
            load = load_gate if cell.network == "gate" else load_segmenter
            try:
                comparison.export = load(package, cell.spec, execution)
            except Exception as error:  # each runtime raises whatever its libraries do
                comparison.reason = f"cannot be loaded: {one_line(error)}"
        yield comparison
