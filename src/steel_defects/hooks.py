"""What happens around every run: checks before it, and a record of it."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import AbstractVersionedDataset, DataCatalog
from kedro.pipeline import Node, Pipeline

from steel_defects.errors import SteelDefectsError
from steel_defects.files import check_target
from steel_defects.kedro_compat import (
    filepath_of,
    is_versioned,
    load_what_was_saved,
)
from steel_defects.locks import lock_all
from steel_defects.missing_inputs import remedy, where
from steel_defects.paths import refuse_pattern, refuse_remote
from steel_defects.run_record import RUN_RECORD, path_of_record


class RunnerHooks:
    """Refuses runners that would give other results."""

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, run_params: dict[str, Any]) -> None:
        """Take neither of Kedro's runners whose nodes run beside each other.

        Every node uses all cores itself; networks that train beside each other would share one
        state of random numbers; and Ctrl-C, which ends the watching of a folder, reaches the main
        thread alone.
        """
        for runner in ("ThreadRunner", "ParallelRunner"):
            if runner in str(run_params["runner"]):
                raise SteelDefectsError(
                    f"{runner} would train networks beside each other, with other results; run it "
                    "without --runner: every node uses all cores"
                )
        if run_params["only_missing_outputs"] and "UpToDateRunner" not in str(run_params["runner"]):
            raise SteelDefectsError(
                "only_missing_outputs takes whatever exists for up to date with this runner; leave "
                "--runner out, or in Python give runner=UpToDateRunner() of "
                "steel_defects.up_to_date"
            )


class InputHooks:
    """Says which pipeline to run first, before any node runs."""

    @hook_impl
    def after_catalog_created(self, conf_catalog: dict[str, Any]) -> None:
        """Take datasets on local disks only, wherever their paths were given."""
        for name, entry in conf_catalog.items():
            refuse_remote(name, str(entry.get("filepath", "")))

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        """Look for every input that the run does not make itself."""
        _check_versioned_paths(pipeline, catalog)
        for name in sorted(pipeline.inputs()):
            given = name.startswith("params:") or name in ("parameters", RUN_RECORD)
            if given or catalog.exists(name):
                continue
            place = where(name, catalog, Path(run_params["project_path"]))
            raise SteelDefectsError(f"{name} is missing{place}; {remedy(name)}")


_TRAINING_SEGMENTERS = {"train_segmenter", "cross_validate_segmenter"}


class SecondFolderHooks:
    """Refuses to train without the pictures for segmenters alone, before a gate is trained."""

    @hook_impl(trylast=True)
    def before_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Look for them where an earlier run of data_engineering found them."""
        from steel_defects.data.segmenter_only import need_pictures, only_for_segmenters

        names = {node.name.rpartition(".")[2] for node in pipeline.nodes}
        if "tiles" not in pipeline.inputs() or not names & _TRAINING_SEGMENTERS:
            return
        sheets, splits, folder = (
            catalog[name].load() for name in ("sheets", "splits", "raw_sheets")
        )
        need_pictures(folder, only_for_segmenters(sheets, splits))


def _check_versioned_paths(pipeline: Pipeline, catalog: DataCatalog) -> None:
    """Refuse paths in which Kedro, which looks for versions with a pattern, finds none."""
    for _, dataset in _versioned(pipeline.datasets(), catalog):
        folder = filepath_of(dataset)
        if folder:
            refuse_pattern(str(folder.parent), ", or change data_root in globals.yml")


class ComparisonHooks:
    """Refuses to compare with a version that there is not, before hours of training."""

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Look for the version that ``compare`` names."""
        if "params:compare" in pipeline.inputs():
            compare = catalog["params:compare"].load()
            if compare is not None:
                catalog["earlier_versions"].load().check(str(compare))


class PromotionHooks:
    """Refuses a promotion that cannot be asked for, before sheets are read."""

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Look for who asks, why, and the version that ``candidate`` names."""
        if "params:candidate" in pipeline.inputs():
            from steel_defects.evaluation.promotion import words_given

            words_given(**{name: catalog[f"params:{name}"].load() for name in ("by", "reason")})
            candidate = catalog["params:candidate"].load()
            catalog["package_versions"].load().resolve(str(candidate))


class ChosenModelHooks:
    """Refuses to choose a model that no run trained, before hours of training."""

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Look for the models that ``gate`` and ``segmenter`` name."""
        from steel_defects.datasets.trained_models import KINDS
        from steel_defects.models.trained import CHOSEN_BY

        chosen = [kind for kind in KINDS if f"params:{kind}" in pipeline.inputs()]
        if not chosen:
            return
        models = catalog["trained_models"].load()
        for kind in chosen:
            ending = f".trained_{kind}"
            made = [name.split(".")[0] for name in pipeline.all_outputs() if name.endswith(ending)]
            earlier = models.newest(KINDS[kind])
            name = catalog[f"params:{kind}"].load()
            if name not in {"best", "none", *made, *(one.name for one in earlier)}:
                raise SteelDefectsError(
                    f"{kind} is {name}, which was never trained; train it: "
                    f'--params "{CHOSEN_BY[kind]}={name}"'
                )


class VersionHooks:
    """Holds a run to its own versions, whatever the clock says.

    Kedro names versions after the clock, and takes the highest name for the newest.
    """

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Refuse to save versions that would be taken for older than those that there are."""
        for name, dataset in _versioned(pipeline.all_outputs(), catalog):
            version, newest = str(dataset.resolve_save_version()), dataset.list_versions(False)[:1]
            if newest and newest[0] > version:
                raise SteelDefectsError(
                    f"{name} has version {newest[0]}, which is later than this run ({version}): "
                    "a clock is wrong; set it right, or delete that version"
                )

    @hook_impl
    def after_node_run(self, node: Node, catalog: DataCatalog) -> None:
        """Load what this run saves by its own version, also if another run saves a later one."""
        for _, dataset in _versioned(node.outputs, catalog):
            load_what_was_saved(dataset)


def _versioned(
    names: Iterable[str], catalog: DataCatalog
) -> Iterator[tuple[str, AbstractVersionedDataset[Any, Any]]]:
    for name in sorted(names):
        dataset = catalog[name]
        if is_versioned(dataset):
            yield name, dataset


class TargetHooks:
    """Looks at the places that a run will write to, before its first node."""

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Refuse those that cannot be written, or hold files that are not to be overwritten."""
        for name in sorted(pipeline.all_outputs() | {RUN_RECORD}):
            dataset = catalog[name]
            if hasattr(dataset, "check_target"):
                dataset.check_target()
            elif path := filepath_of(dataset):
                check_target(path, folder=is_versioned(dataset))


class OutputLockHooks:
    """Keeps other runs off the datasets that a run saves, from its first save to its end.

    Kedro saves one dataset after the other: two runs at once would mix their tables. Work before
    the first save, such as judging sheets, goes on at the same time.
    """

    def __init__(self) -> None:
        """Begin without a run."""
        self._locks: dict[str, list[Path]] = {}
        self._locked: dict[str, ExitStack] = {}

    @hook_impl(trylast=True)
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        """Name a lock for each dataset that the run saves."""
        folder = path_of_record(catalog).parents[1] / ".locks"
        paths = [folder / f"{name}.lock" for name in pipeline.all_outputs()]
        self._locks[run_params["run_id"]] = paths

    @hook_impl
    def after_node_run(self, run_id: str) -> None:
        """Lock before the first node's outputs are saved."""
        if run_id not in self._locked:
            self._locked[run_id] = lock_all(self._locks[run_id])

    @hook_impl
    def after_pipeline_run(self, run_params: dict[str, Any]) -> None:
        """Unlock."""
        self._unlock(run_params["run_id"])

    @hook_impl
    def on_pipeline_error(self, run_params: dict[str, Any]) -> None:
        """Unlock."""
        self._unlock(run_params["run_id"])

    def _unlock(self, run_id: str) -> None:
        del self._locks[run_id]
        if run_id in self._locked:
            self._locked.pop(run_id).close()
