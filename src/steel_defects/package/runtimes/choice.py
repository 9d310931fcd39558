"""Choosing and loading what runs the networks of a package."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import get_args

from steel_defects.errors import SteelDefectsError
from steel_defects.package.folder import MEND, ModelPackage
from steel_defects.package.manifest import ExportSpec, NetworkName, Precision
from steel_defects.package.runtimes.exported_networks import NETWORKS
from steel_defects.package.runtimes.keras_network import KerasNetwork, load_keras
from steel_defects.package.runtimes.network import ExecutionConfig, Network, Shape
from steel_defects.package.runtimes.runtime import Gate, PackageRuntime, Segmenter

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
    network = _load(package, spec.file, export, execution)
    # Keras gets sheets that are resized already.
    size = export.sheet_size if export else spec.input_size
    _require_fit(package, "gate", network, [(None, *(size or (None, None)), 1)], [(None, 1)])
    return Gate(network, spec, size)


def load_segmenter(
    package: ModelPackage, export: ExportSpec | None, execution: ExecutionConfig
) -> Segmenter:
    """Load the segmenter of a package, or an export of it; see :func:`load_gate`."""
    spec, classes = package.manifest.segmenter, len(package.manifest.class_names)
    network = _load(package, spec.file, export, execution)
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


def _load(
    package: ModelPackage, file: str, export: ExportSpec | None, execution: ExecutionConfig
) -> Network:
    if export is None:
        return KerasNetwork(load_keras(package, file))
    files = [package.read(name) for name in export.files]
    path = package.path(export.files[0])
    return NETWORKS[export.runtime](path, files, export.precision, execution)


def choose_exports(package: ModelPackage, name: str) -> dict[NetworkName, ExportSpec | None]:
    """Choose an export for each network of a package; None for Keras. See :func:`load_runtime`."""
    runtime, _, precision = name.partition("_")
    known = runtime in {"auto", *LIBRARIES} and precision in {"", *get_args(Precision)}
    if not known or (precision and runtime in {"auto", "keras"}):
        raise SteelDefectsError(
            f"there is no runtime {name}; there are auto, keras, openvino, onnx and litert, the "
            "last three also with a precision, such as openvino_int8"
        )
    if runtime not in {"auto", "keras"} and not is_installed(runtime):
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
    pairs = zip(shape, expected, strict=False)
    same = all(side is None or other is None or side == other for side, other in pairs)
    return not shape or (same and len(shape) == len(expected))


def _shown(shapes: Sequence[Shape]) -> str:
    sides = ("×".join("?" if side is None else str(side) for side in one) for one in shapes)
    return " and ".join(sides) or "nothing"
