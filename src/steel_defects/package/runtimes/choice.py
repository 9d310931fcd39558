"""Choosing what runs the networks of a package."""

from importlib.util import find_spec

from steel_defects.errors import SteelDefectsError
from steel_defects.package.folder import (
    ExportSpec,
    ModelPackage,
    NetworkName,
    SegmenterSpec,
)
from steel_defects.package.runtimes.config import ExecutionConfig
from steel_defects.package.runtimes.fit import require_fit
from steel_defects.package.runtimes.keras_network import KerasNetwork, load_keras
from steel_defects.package.runtimes.litert_network import LiteRTNetwork
from steel_defects.package.runtimes.network import Network
from steel_defects.package.runtimes.onnx_network import ONNXNetwork
from steel_defects.package.runtimes.openvino_network import OpenVINONetwork
from steel_defects.package.runtimes.runtime import Gate, PackageRuntime, Segmenter

#: The library that each runtime needs.
LIBRARIES = {
    "openvino": "openvino",
    "onnx": "onnxruntime",
    "litert": "ai_edge_litert",
    "keras": "keras",
}
_PRECISIONS = ("fp32", "bf16", "fp16", "int8")
_ANY_SPEED = float("inf")


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
    chosen = choose_exports(package, name)
    return PackageRuntime(
        load_gate(package, chosen.get("gate"), execution),
        load_segmenter(package, chosen["segmenter"], execution),
        {network: name_of(export) for network, export in chosen.items()},
    )


def load_gate(
    package: ModelPackage, export: ExportSpec | None, execution: ExecutionConfig
) -> Gate | None:
    """Load the gate of a package, or an export of it; None where the package has none."""
    spec = package.manifest.gate
    if spec is None:
        return None
    # Keras gets sheets that are resized already.
    size = export.sheet_size if export else spec.input_size
    return Gate(load_network(package, "gate", export, execution), spec, size)


def load_segmenter(
    package: ModelPackage, export: ExportSpec | None, execution: ExecutionConfig
) -> Segmenter:
    """Load the segmenter of a package, or an export of it."""
    network = load_network(package, "segmenter", export, execution)
    segmenter = package.manifest.segmenter
    return Segmenter(network, segmenter.tta, segmenter.stride)


def choose_exports(package: ModelPackage, name: str) -> dict[NetworkName, ExportSpec | None]:
    """Choose an export for each network of a package; None for Keras. See :func:`load_runtime`."""
    networks: list[NetworkName] = ["segmenter"]
    if package.manifest.gate:
        networks.insert(0, "gate")
    runtime, _, precision = name.partition("_")
    known = runtime in {"auto", *LIBRARIES} and precision in {"", *_PRECISIONS}
    if not known or (precision and runtime in {"auto", "keras"}):
        raise SteelDefectsError(
            f"there is no runtime {name}; there are auto, keras, openvino, onnx and litert, the "
            "last three also with a precision, such as openvino_int8"
        )
    if runtime not in {"auto", "keras"} and not is_installed(runtime):
        raise SteelDefectsError(f"{LIBRARIES[runtime]} is not installed; pip install {_EXTRA}")
    return {network: _choose(package, network, runtime, precision) for network in networks}


_EXTRA = "'steel_defects[deploy]'"


def _choose(
    package: ModelPackage, network: NetworkName, runtime: str, precision: str
) -> ExportSpec | None:
    if runtime == "keras":
        _require_keras(package, network)
        return None
    fitting = [
        export
        for export in package.manifest.exports
        if export.network == network
        and export.parity is not None
        and export.parity.passed
        and runtime in {"auto", export.runtime}
        and precision in {"", export.precision}
        and is_installed(export.runtime)
    ]
    if fitting:
        return min(fitting, key=lambda export: export.ms_per_sheet or _ANY_SPEED)
    if runtime == "auto":
        _require_keras(package, network)
        return None
    wanted = f"{runtime}_{precision}" if precision else runtime
    there = sorted({name_of(e) for e in package.manifest.exports if e.network == network})
    raise SteelDefectsError(
        f"the package {package.folder} has its {network} for {', '.join(there) or 'Keras alone'}, "
        f"not for {wanted}; the pipeline deployment makes exports"
    )


def _require_keras(package: ModelPackage, network: NetworkName) -> None:
    if not is_installed("keras"):
        raise SteelDefectsError(
            f"the package {package.folder} has no export of its {network} for a runtime that is "
            f"installed here, and Keras is not; pip install {_EXTRA}"
        )


def load_network(
    package: ModelPackage,
    network: NetworkName,
    export: ExportSpec | None,
    execution: ExecutionConfig,
) -> Network:
    """Load one network of a package; ``export`` is None for the network as it was trained.

    Raises:
        SteelDefectsError: A file is not what was written, or the network does not do what the
            package says.
    """
    if export is None:
        return _load_keras(package, network)
    path = package.path(export.files[0])
    model, *weights = (package.read(file) for file in export.files)
    loaded: Network
    match export.runtime:
        case "openvino":
            loaded = OpenVINONetwork(path, model, b"".join(weights), export.precision, execution)
        case "onnx":
            loaded = ONNXNetwork(path, model, execution)
        case "litert":
            loaded = LiteRTNetwork(path, model, execution)
    require_fit(package, network, export, loaded)
    return loaded


def _load_keras(package: ModelPackage, network: NetworkName) -> KerasNetwork:
    spec = package.manifest.gate if network == "gate" else package.manifest.segmenter
    assert spec is not None  # noqa: S101 (a gate is only asked for where there is one)
    model = load_keras(package, spec.file)
    loaded = KerasNetwork(model)
    require_fit(package, network, None, loaded)
    if isinstance(spec, SegmenterSpec):
        from steel_defects.models.segmenters import takes_multiples_of

        if not takes_multiples_of(model, spec.stride):
            raise SteelDefectsError(
                f"the segmenter of the model package {package.folder} does not take sides that are "
                f"multiples of its stride, {spec.stride}; restore the package or build it again"
            )
    return loaded


class KerasRuntime(PackageRuntime):
    """Runs the ``.keras`` files of a package."""

    def __init__(self, package: ModelPackage) -> None:
        """Load the networks."""
        loaded = load_runtime(package, "keras")
        super().__init__(loaded.gate, loaded.segmenter, loaded.names)
