"""Whether a network takes sheets, and answers, as its package says."""

from collections.abc import Sequence

from steel_defects.errors import SteelDefectsError
from steel_defects.package.folder import ExportSpec, ModelPackage, NetworkName
from steel_defects.package.runtimes.network import Network, Shape


def require_fit(
    package: ModelPackage, network: NetworkName, export: ExportSpec | None, loaded: Network
) -> None:
    """Compare what a network takes and puts out with the package, as far as its runtime knows.

    Args:
        package: The package.
        network: What the package calls it.
        export: The export that it is; None for the network as it was trained.
        loaded: The network.

    Raises:
        SteelDefectsError: It is another network.
    """
    takes, gives = _expected(package, network, export)
    outputs = sorted(loaded.outputs, key=len, reverse=True)
    # The last, the presence of each class, is not an output of every segmenter.
    needed = gives if network == "gate" else gives[: max(1, len(outputs))]
    if _alike(loaded.inputs, takes) and _alike(outputs, needed):
        return
    raise SteelDefectsError(
        f"the {network} of the model package {package.folder} takes {_shown(loaded.inputs)} and "
        f"gives {_shown(outputs)}, but the package says {_shown(takes)} and {_shown(gives)}; "
        "restore the package or build it again"
    )


def _expected(
    package: ModelPackage, network: NetworkName, export: ExportSpec | None
) -> tuple[list[Shape], list[Shape]]:
    manifest = package.manifest
    classes = len(manifest.class_names)
    if network == "segmenter" or manifest.gate is None:
        return [(None, None, None, 1)], [(None, None, None, classes), (None, classes)]
    size = export.sheet_size if export else manifest.gate.input_size
    return [(None, *(size or (None, None)), 1)], [(None, 1)]


def _alike(shapes: Sequence[Shape], expected: Sequence[Shape]) -> bool:
    return len(shapes) == len(expected) and all(map(_fits, shapes, expected))


def _fits(shape: Shape, expected: Shape) -> bool:
    pairs = zip(shape, expected, strict=False)
    same = all(side is None or other is None or side == other for side, other in pairs)
    return not shape or (same and len(shape) == len(expected))


def _shown(shapes: Sequence[Shape]) -> str:
    sides = ("×".join("?" if side is None else str(side) for side in one) for one in shapes)
    return " and ".join(sides) or "nothing"
