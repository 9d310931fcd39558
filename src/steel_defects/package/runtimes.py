"""Running the networks of a package by the runtime that is chosen."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.util import find_spec
from typing import TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from steel_defects.decision.calibration import scale_scores
from steel_defects.decision.postprocessing import SheetPrediction
from steel_defects.errors import SteelDefectsError
from steel_defects.images.reading import resize
from steel_defects.models.config import STRIDE
from steel_defects.package.folder import MEND, ModelPackage
from steel_defects.package.manifest import ExportSpec, GateSpec, NetworkName, Precision
from steel_defects.package.networks import (
    ExecutionConfig,
    KerasNetwork,
    Network,
    Shape,
    load_network,
)
from steel_defects.prediction.inference import TestTimeAugmentation, predict_sheet
from steel_defects.threads import map_in_order

logger = logging.getLogger(__name__)

_NO_EXPORTS = (
    "the package %s has no exports for a runtime that is installed here; kedro run "
    "--pipelines=deployment makes them, and inspection is several times faster with them "
    "(docs/deployment.md)"
)
Image = NDArray[np.uint8]
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Gate:
    """The classifier of a package, which takes sheets of a size; see :func:`fit_sheet`."""

    network: Network
    spec: GateSpec
    sheet_size: tuple[int, int] | None

    def score(self, image: Image) -> float:
        """Return the calibrated probability of a defect."""
        sheet = fit_sheet(image, self.spec.input_size, self.sheet_size)
        outputs = self.network.predict(np.ascontiguousarray(sheet)[None, ..., None])
        output = outputs[0].astype(np.float64).reshape(1)
        return float(scale_scores(output, self.spec.temperature, self.spec.bias)[0])

    def score_many(self, images: Iterable[Image]) -> Iterator[float]:
        """Score sheets in their order, several at a time."""
        return _several_at_a_time(self.score, images, self.network.parallel)


def fit_sheet(
    image: Image, input_size: tuple[int, int], sheet_size: tuple[int, int] | None
) -> Image:
    """Make a sheet such that a graph which takes sheets of one size sees it as all others do.

    The graph takes sheets of ``sheet_size``, a whole multiple of ``input_size``, height and width
    in pixels, to which it reduces them itself; None for a graph that takes any.
    """
    if sheet_size is None or image.shape == sheet_size:
        return image
    # The mean of equal pixels is what they are: the graph's reduction undoes the repetition.
    down, across = (s // i for s, i in zip(sheet_size, input_size, strict=True))
    return resize(image, input_size).repeat(down, axis=0).repeat(across, axis=1)


@dataclass(frozen=True)
class Segmenter:
    """The segmenter of a package, whose answers are averaged over some orientations."""

    network: Network
    tta: TestTimeAugmentation
    stride: int = STRIDE

    def segment(self, image: Image) -> SheetPrediction:
        """Return the map and the presence of each class."""
        return predict_sheet(self.network.predict, image, self.tta, self.stride, np.uint8)

    def segment_many(self, images: Iterable[Image]) -> Iterator[SheetPrediction]:
        """Segment sheets in their order, several at a time."""
        return _several_at_a_time(self.segment, images, self.network.parallel)


def _several_at_a_time(
    ask: Callable[[Image], Answer], images: Iterable[Image], parallel: int
) -> Iterator[Answer]:
    return map_in_order(ask, images, 0 if parallel == 1 else parallel, ahead=parallel)


class PackageRuntime:
    """Runs the networks of a package; see :func:`load_runtime`.

    Attributes:
        names: What runs each network, such as ``openvino_int8``.
        parallel: Sheets at a time that are worth asking for; calls from so many threads are safe.
        segment: Returns the map and the presence of each class on a sheet.
        segment_many: The same of sheets in their order, several at a time.
    """

    def __init__(self, gate: Gate | None, segmenter: Segmenter, names: dict[str, str]) -> None:
        self._gate, self.names = gate, names
        self.segment, self.segment_many = segmenter.segment, segmenter.segment_many
        networks = [segmenter.network, *([gate.network] if gate else [])]
        self.parallel = min(network.parallel for network in networks)

    def gate_score(self, image: Image) -> float | None:
        """Return the calibrated probability of a defect; None without a gate."""
        return self._gate.score(image) if self._gate else None

    def score_many(self, images: Iterable[Image]) -> Iterator[float | None]:
        """Score sheets in their order, several at a time; None for each without a gate.

        ``images`` may be a generator that reads ahead: it is asked for the next one as soon as
        there is room for it, in the caller's thread.
        """
        return self._gate.score_many(images) if self._gate else (None for _ in images)


class DeferredRuntime:
    """Loads the networks of a package when the first sheet is asked about.

    Attributes:
        names: What will run each network.
    """

    def __init__(self, package: ModelPackage, name: str, execution: ExecutionConfig) -> None:
        """Take what :func:`load_runtime` takes, and choose; nothing is loaded yet."""
        exports = choose_exports(package, name)
        self.names = {network: name_of(export) for network, export in exports.items()}
        self._load = partial(load_runtime, package, name, execution)
        self._folder, self._chosen_for_me = package.folder, name == "auto"

    @cached_property
    def _loaded(self) -> PackageRuntime:
        if self._chosen_for_me and "keras" in self.names.values():
            logger.info(_NO_EXPORTS, self._folder)
        return self._load()

    @property
    def parallel(self) -> int:
        """See :class:`PackageRuntime`; to be asked before threads share the networks."""
        return self._loaded.parallel

    def gate_score(self, image: Image) -> float | None:
        """Return the calibrated probability of a defect; None without a gate."""
        return self._loaded.gate_score(image)

    def segment(self, image: Image) -> SheetPrediction:
        """Return the map and the presence of each class."""
        return self._loaded.segment(image)


# === Choosing and loading ===


#: The library that each runtime needs.
LIBRARIES = {
    "openvino": "openvino",
    "onnx": "onnxruntime",
    "litert": "ai_edge_litert",
    "keras": "keras",
}
_INSTALL = "pip install 'steel_defects[deploy]'"


def is_installed(runtime: str) -> bool:
    """Say whether the library of a runtime is there, without importing it."""
    return find_spec(LIBRARIES[runtime]) is not None


def name_of(export: ExportSpec | None) -> str:
    """Return the name of an export, such as ``openvino_int8``; ``keras`` for the network itself."""
    return export.name if export else "keras"


def load_runtime(
    package: ModelPackage, name: str = "auto", execution: ExecutionConfig | None = None
) -> PackageRuntime:
    """Load the networks of a package.

    Args:
        package: The package.
        name: ``auto`` takes for each network the fastest export that passed parity and whose
            runtime is installed, and Keras where there is none. ``keras`` takes the networks as
            they were trained; ``openvino``, ``onnx`` and ``litert`` the fastest export for them,
            and with a precision behind, such as ``openvino_fp32``, just that one.
        execution: What the runtimes may use.

    Raises:
        SteelDefectsError: There is no runtime of that name, the package has no such export, or the
            runtime is not installed.
    """
    execution = execution or ExecutionConfig()
    exports = choose_exports(package, name)
    return PackageRuntime(
        load_gate(package, exports.get("gate"), execution),
        load_segmenter(package, exports["segmenter"], execution),
        {network: name_of(export) for network, export in exports.items()},
    )


def load_gate(
    package: ModelPackage, export: ExportSpec | None, execution: ExecutionConfig
) -> Gate | None:
    """Load the gate of a package, or an export of it; None where the package has none.

    Raises:
        SteelDefectsError: A file is not what was written, or the network does not do what the
            package says.
    """
    spec = package.manifest.gate
    if spec is None:
        return None
    network = load_network(package, spec.file, export, execution)
    # Keras gets sheets that are resized already.
    size = export.sheet_size if export else spec.input_size
    _require_fit(package, "gate", network, [(None, *(size or (None, None)), 1)], [(None, 1)])
    return Gate(network, spec, size)


def load_segmenter(
    package: ModelPackage, export: ExportSpec | None, execution: ExecutionConfig
) -> Segmenter:
    """Load the segmenter of a package, or an export of it; see :func:`load_gate`."""
    spec, classes = package.manifest.segmenter, len(package.manifest.class_names)
    network = load_network(package, spec.file, export, execution)
    # The last, the presence of each class, is not an output of every segmenter.
    outputs = [(None, None, None, classes), (None, classes)][: max(1, len(network.outputs))]
    _require_fit(package, "segmenter", network, [(None, None, None, 1)], outputs)
    if isinstance(network, KerasNetwork):
        from steel_defects.models.segmenters import takes_multiples_of

        if not takes_multiples_of(network.model, spec.stride):
            raise SteelDefectsError(
                f"the segmenter of the model package {package.folder} does not take sides that are "
                f"multiples of its stride, {spec.stride}{MEND}"
            )
    return Segmenter(network, spec.tta, spec.stride)


def choose_exports(package: ModelPackage, name: str) -> dict[NetworkName, ExportSpec | None]:
    """Choose an export for each network of a package; None for Keras. See :func:`load_runtime`."""
    runtime, _, precision = name.partition("_")
    trained = runtime in {"auto", "keras"}
    known = runtime in {"auto", *LIBRARIES} and precision in {"", *get_args(Precision)}
    if not known or (precision and trained):
        raise SteelDefectsError(
            f"there is no runtime {name}; there are auto, keras, openvino, onnx and litert, the "
            "last three also with a precision, such as openvino_int8"
        )
    if not trained and not is_installed(runtime):
        raise SteelDefectsError(f"{LIBRARIES[runtime]} is not installed; {_INSTALL}")
    networks: list[NetworkName] = ["gate", "segmenter"] if package.manifest.gate else ["segmenter"]
    return {network: _choose(package, network, runtime, precision) for network in networks}


def _choose(
    package: ModelPackage, network: NetworkName, runtime: str, precision: str
) -> ExportSpec | None:
    exports = [export for export in package.manifest.exports if export.network == network]
    fitting = [
        export
        for export in exports
        if export.parity is not None
        and export.parity.passed
        and runtime in {"auto", export.runtime}
        and precision in {"", export.precision}
        and is_installed(export.runtime)
    ]
    if fitting:
        return min(fitting, key=lambda export: export.ms_per_sheet or float("inf"))
    if runtime not in {"auto", "keras"}:
        wanted = f"{runtime}_{precision}" if precision else runtime
        there = ", ".join(sorted({export.name for export in exports})) or "Keras alone"
        raise SteelDefectsError(
            f"the package {package.folder} has its {network} for {there}, not for {wanted}; the "
            "pipeline deployment makes exports"
        )
    if not is_installed("keras"):
        raise SteelDefectsError(
            f"the package {package.folder} has no export of its {network} for a runtime that is "
            f"installed here, and Keras is not; {_INSTALL}"
        )
    return None


def _require_fit(
    package: ModelPackage,
    name: NetworkName,
    network: Network,
    inputs: Sequence[Shape],
    outputs: Sequence[Shape],
) -> None:
    """Compare what a network takes and gives with the package, as far as its runtime knows."""
    given = sorted(network.outputs, key=len, reverse=True)
    if not (_alike(network.inputs, inputs) and _alike(given, outputs)):
        raise SteelDefectsError(
            f"the {name} of the model package {package.folder} takes {_shown(network.inputs)} and "
            f"gives {_shown(given)}, but the package says {_shown(inputs)} and {_shown(outputs)}"
            f"{MEND}"
        )


def _alike(shapes: Sequence[Shape], expected: Sequence[Shape]) -> bool:
    return len(shapes) == len(expected) and all(map(_fits, shapes, expected))


def _fits(shape: Shape, expected: Shape) -> bool:
    same = all(None in pair or len({*pair}) == 1 for pair in zip(shape, expected, strict=False))
    return not shape or (same and len(shape) == len(expected))


def _shown(shapes: Sequence[Shape]) -> str:
    sides = ("×".join("?" if side is None else str(side) for side in one) for one in shapes)
    return " and ".join(sides) or "nothing"
