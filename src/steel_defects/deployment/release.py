"""Putting exports into a copy of their package."""

import shutil
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from steel_defects.package.folder import ModelPackage
from steel_defects.package.manifest import ExportSpec, Manifest, ParityResult

Writers = dict[str, Callable[[Path], None]]

_KEYS = ["network", "runtime", "precision"]


def with_exports(
    package: ModelPackage, exports: Sequence[ExportSpec], folder: Path
) -> tuple[Manifest, Writers]:
    """Describe a copy of a package that holds exports.

    Args:
        package: The package; exports that it has already are left out.
        exports: Those of the copy.
        folder: Where their files are.

    Returns:
        The manifest of the copy, and for each of its files a function that writes it.
    """
    earlier = {name for export in package.manifest.exports for name in export.files}
    kept = [name for name in package.manifest.files if name not in earlier]
    writers: Writers = {name: partial(package.copy, name) for name in kept}
    for export in exports:
        writers |= {name: partial(shutil.copyfile, folder / name) for name in export.files}
    return package.manifest.model_copy(update={"exports": tuple(exports)}), writers


def judged_exports(
    exports: Iterable[ExportSpec], parity: pd.DataFrame, latency: pd.DataFrame
) -> list[ExportSpec]:
    """Keep the exports that are within their tolerance, and note how close and how fast they are.

    Args:
        exports: All that there are.
        parity: The table ``export_parity``.
        latency: The table ``latency``.
    """
    compared = parity.set_index(_KEYS).to_dict("index")
    timed = latency.set_index(_KEYS)["ms_p50"].to_dict()
    kept = []
    for export in exports:
        key = (export.network, export.runtime, export.precision)
        row = compared[key]
        if not row["passed"]:
            continue
        tolerance = row["tolerance"]
        result = ParityResult(
            passed=True, sheets=row["sheets"], max_difference=row["max_difference"],
            tolerance=None if pd.isna(tolerance) else tolerance,
            changed_verdicts=row["changed_verdicts"], dice_change=row["dice_change"],
        )  # fmt: skip
        speed = timed.get(key)
        ms = None if pd.isna(speed) else speed
        kept.append(export.model_copy(update={"parity": result, "ms_per_sheet": ms}))
    return kept
