"""What is refused of ``--params`` before a run."""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from steel_defects.environment import check_backend
from steel_defects.errors import SteelDefectsError
from steel_defects.images.reading import BIT_DEPTHS
from steel_defects.kedro_compat import runtime_parameters
from steel_defects.selection import DECIDING

#: Runtime parameters that give the paths of datasets, and these.
PATH_PARAMETERS = {
    "raw_dir": {"raw_sheets", "raw_annotations", "raw_positions", "corrections", "deployment_raw"},
    "weights_dir": {"pretrained_weights"},
    "sheets_dir": {
        *("inspection_sheets", "inspection_positions", "inspected_pictures", "deployment_folder")
    },
    "models_dir": {"inspection_package"},
}
#: Runtime parameters that are people's words, taken as they are typed.
TEXT_PARAMETERS = ("candidate", "reason", "by")
#: Runtime parameters that only the catalog takes, and the datasets that take them.
CATALOG_PARAMETERS = PATH_PARAMETERS | {
    "bit_depth": {"raw_sheets", "segmenter_only_sheets"},
    "follow_links": {
        *("raw_sheets", "raw_annotations", "inspection_sheets", "inspected_pictures"),
        *("segmenter_only_sheets", "segmenter_only_annotations"),
    },
}


class ParameterHooks:
    """Refuses runtime parameters that nothing would take notice of, and unknown backends."""

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Compare the names given with ``--params`` with those that are known."""
        check_backend()
        given = runtime_parameters(context)
        known = _configured_names(context) | set(CATALOG_PARAMETERS)
        for name in given:
            if name not in known:
                near = get_close_matches(name, known, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise SteelDefectsError(f"there is no parameter {name}{hint}")
        for name in PATH_PARAMETERS:
            value = given.get(name)
            if not isinstance(value, str | Path | None):
                raise SteelDefectsError(f"{name} must be a path: put {value!r} in quotes")
        if not isinstance(given.get("follow_links"), bool | None):
            raise SteelDefectsError("follow_links must be true or false")
        if given.get("bit_depth") not in (None, *BIT_DEPTHS):
            raise SteelDefectsError(f"bit_depth must be one of {', '.join(map(str, BIT_DEPTHS))}")

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, run_params: dict[str, Any], catalog: DataCatalog) -> None:
        """Look for a node that reads them, also if it does not run this time.

        Those that no chosen pipeline reads would change nothing.
        """
        chosen = run_params["pipeline_names"] or ["__default__"]
        for name, _ in leaves(run_params["runtime_params"] or {}):
            readers = [one for one, pipeline in pipelines.items() if _reads(pipeline, name)]
            if not set(chosen) & set(readers):
                run = " and ".join(chosen).replace("__default__", "this run")
                instead = _other_ways(name, readers, set(chosen), catalog)
                raise SteelDefectsError(f"{run} would not read {name}; {instead}")


def _configured_names(context: KedroContext) -> set[str]:
    """Read the parameter files without what ``--params`` adds."""
    loader = context.config_loader
    runtime, loader.runtime_params = loader.runtime_params, {}
    try:
        return set(loader["parameters"])
    finally:
        loader.runtime_params = runtime


def leaves(parameters: dict[str, Any], start: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted names and values of parameters, as ``--params`` takes them one by one."""
    for name, value in parameters.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{start}{name}.")
        else:
            yield f"{start}{name}", value


def _reads(pipeline: Pipeline, name: str) -> bool:
    if name in CATALOG_PARAMETERS:
        return not pipeline.datasets().isdisjoint(CATALOG_PARAMETERS[name])
    read = {one.removeprefix("params:") for one in pipeline.inputs() if one.startswith("params:")}
    # Pipelines whose nodes it decides choose among models.
    decided = name in DECIDING and {"gate", "segmenter", "reporting"} & read
    return bool(decided) or any(
        f"{name}.".startswith(f"{one}.") or one.startswith(f"{name}.") for one in read
    )


def _other_ways(name: str, readers: list[str], chosen: set[str], catalog: DataCatalog) -> str:
    """Say what to do about a parameter that the chosen pipelines do not read."""
    last = name.rsplit(".", maxsplit=1)[-1]
    alike = [one for one in sorted(chosen) if f"params:{one}.{last}" in catalog]
    if alike:
        return f"did you mean {alike[0]}.{last}?"
    others = [one for one in readers if one != "__default__"]
    if not others:
        return "nothing that is switched on does, so leave it out"
    return f"it is for {', '.join(others)}: run that, or leave it out"
