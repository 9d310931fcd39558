"""Asking a package's networks for sheets."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from steel_defects.decision.calibration import scale_scores
from steel_defects.decision.postprocessing import SheetPrediction
from steel_defects.images.reading import resize
from steel_defects.models.config import STRIDE
from steel_defects.package.manifest import GateSpec
from steel_defects.package.runtimes.network import Network
from steel_defects.prediction.inference import (
    TestTimeAugmentation,
    join_windows,
    sheet_batch,
    sheet_prediction,
    sheet_windows,
)
from steel_defects.threads import map_in_order

Image = NDArray[np.uint8]
Answer = TypeVar("Answer")


class Gate:
    """The classifier of a package, which takes sheets of a size; see :func:`fit_sheet`."""

    def __init__(
        self, network: Network, spec: GateSpec, sheet_size: tuple[int, int] | None
    ) -> None:
        self.network, self._spec, self._sheet_size = network, spec, sheet_size

    def score(self, image: Image) -> float:
        """Return the calibrated probability of a defect."""
        sheet = fit_sheet(image, self._spec.input_size, self._sheet_size)
        outputs = self.network.predict(np.ascontiguousarray(sheet)[None, ..., None])
        output = outputs[0].astype(np.float64).reshape(1)
        return float(scale_scores(output, self._spec.temperature, self._spec.bias)[0])

    def score_many(self, images: Iterable[Image]) -> Iterator[float]:
        """Score sheets in their order, several at a time."""
        return _several_at_a_time(self.score, images, self.network.parallel)


def fit_sheet(
    image: Image, input_size: tuple[int, int], sheet_size: tuple[int, int] | None
) -> Image:
    """Make a sheet such that a graph which takes sheets of one size sees it as all others do.

    Args:
        image: The sheet, ``(height, width)``.
        input_size: Height and width to which sheets are resized, pixels.
        sheet_size: Size of the sheets that the graph takes, a whole multiple of ``input_size``, to
            which it reduces them itself; None for a graph that takes any.
    """
    if sheet_size is None or image.shape == sheet_size:
        return image
    # The mean of equal pixels is what they are: the graph's reduction undoes the repetition.
    down, across = (s // i for s, i in zip(sheet_size, input_size, strict=True))
    return resize(image, input_size).repeat(down, axis=0).repeat(across, axis=1)


class Segmenter:
    """The segmenter of a package, whose answers are averaged over some orientations."""

    def __init__(self, network: Network, tta: TestTimeAugmentation, stride: int = STRIDE) -> None:
        self.network, self.tta, self.stride = network, tta, stride

    def segment(self, image: Image) -> SheetPrediction:
        """Return the map and the presence of each class."""
        windows = sheet_windows(image.shape)
        predictions = [self._predict(image[window]) for window in windows]
        return join_windows(image.shape, windows, predictions)

    def _predict(self, image: Image) -> SheetPrediction:
        outputs = self.network.predict(sheet_batch(image, self.tta, self.stride))
        return sheet_prediction(outputs, image.shape, self.tta)

    def segment_many(self, images: Iterable[Image]) -> Iterator[SheetPrediction]:
        """Segment sheets in their order, several at a time."""
        return _several_at_a_time(self.segment, images, self.network.parallel)


def _several_at_a_time(
    ask: Callable[[Image], Answer], images: Iterable[Image], parallel: int
) -> Iterator[Answer]:
    return map_in_order(ask, images, 0 if parallel == 1 else parallel, ahead=parallel)


class PackageRuntime:
    """Runs the networks of a package; see ``choice.load_runtime``.

    Attributes:
        names: What runs each network, such as ``openvino_int8``.
        parallel: Sheets at a time that are worth asking for; calls from so many threads are safe.
    """

    def __init__(self, gate: Gate | None, segmenter: Segmenter, names: dict[str, str]) -> None:
        self.gate, self.segmenter, self.names = gate, segmenter, names
        networks = [segmenter.network, *([gate.network] if gate else [])]
        self.parallel = min(network.parallel for network in networks)

    def gate_score(self, image: Image) -> float | None:
        """Return the calibrated probability of a defect; None without a gate."""
        return self.gate.score(image) if self.gate else None

    def segment(self, image: Image) -> SheetPrediction:
        """Return the map and the presence of each class, averaged as the package says."""
        return self.segmenter.segment(image)

    def score_many(self, images: Iterable[Image]) -> Iterator[float | None]:
        """Score sheets in their order, several at a time; None for each without a gate.

        ``images`` may be a generator that reads ahead: it is asked for the next one as soon as
        there is room for it, in the caller's thread.
        """
        return self.gate.score_many(images) if self.gate else (None for _ in images)

    def segment_many(self, images: Iterable[Image]) -> Iterator[SheetPrediction]:
        """Segment sheets in their order, several at a time; see :meth:`score_many`."""
        return self.segmenter.segment_many(images)
