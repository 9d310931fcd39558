"""What is up to date: which nodes a run may skip, and what it leaves out of date."""

import logging
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline

from steel_defects.kedro_compat import FilteringRunner
from steel_defects.node_records import NodeRecord, NodeRecords
from steel_defects.parameter_hooks import leaves

logger = logging.getLogger(__name__)

_NAMED = 6  # in one line of the log


def what_changed(pipeline: Pipeline, catalog: DataCatalog) -> dict[str, list[str]]:
    """Name the nodes that have to run: the reasons of each are none where an earlier one has to.

    Returns:
        By name of the node, in the order of the pipeline: the parameters and datasets that differ
        from its last run, or outputs that are missing.
    """
    records, reasons = NodeRecords(catalog), {}
    remade: set[str] = set()
    for node in pipeline.nodes:
        missing = [name for name in node.outputs if not catalog.exists(name)]
        before = records.load(node)
        if missing or before is None:
            changes = missing or ["no record of its last run"]
        else:
            changes = before.changed(records.now(node))
        if changes or remade & set(node.inputs):
            reasons[node.name] = [] if remade & set(node.inputs) else changes
            remade |= set(node.outputs)
    return reasons


class UpToDateRunner(FilteringRunner):
    """With ``only_missing_outputs``, skips the nodes that are up to date, and no others."""

    def needed(self, pipeline: Pipeline, catalog: DataCatalog) -> set[str]:
        """Name the nodes that have to run, and say why."""
        reasons = what_changed(pipeline, catalog)
        if not reasons:
            logger.info("all %d nodes are up to date", len(pipeline.nodes))
            return set()
        first = [f"{node} ({', '.join(names)})" for node, names in reasons.items() if names]
        logger.info(
            "runs %d of %d nodes, from these on: %s",
            len(reasons), len(pipeline.nodes), _listed(first),
        )  # fmt: skip
        return set(reasons)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


# === Around every run ===


class NodeRecordHooks:
    """Keeps the records of nodes, and says after a run what it left out of date."""

    def __init__(self) -> None:
        """Begin without a run."""
        self._runs: dict[str, _Run] = {}

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        """Begin the records of a run."""
        self._runs[run_params["run_id"]] = _Run(pipeline, catalog)

    @hook_impl
    def before_node_run(self, node: Node, run_id: str) -> None:
        """Note what a node reads; that the node before it is done can be told only now."""
        self._runs[run_id].begin(node)

    @hook_impl
    def after_pipeline_run(self, run_params: dict[str, Any], catalog: DataCatalog) -> None:
        """Write the last record, and name what the run left out of date."""
        self._runs.pop(run_params["run_id"]).finish()
        outdated = outdated_datasets(pipelines["__default__"], catalog)
        if outdated:
            logger.warning(
                "out of date now: %s; this makes them anew: %s",
                _listed(outdated), command(run_params["env"], run_params["runtime_params"]),
            )  # fmt: skip

    @hook_impl
    def on_pipeline_error(self, run_params: dict[str, Any]) -> None:
        """Write nothing of the node that failed."""
        self._runs.pop(run_params["run_id"], None)


class _Run:
    def __init__(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        self._records, self._made = NodeRecords(catalog), pipeline.all_outputs()
        self._last: tuple[Node, NodeRecord] | None = None

    def begin(self, node: Node) -> None:
        self.finish()
        self._records.forget(node)
        self._last = node, self._records.now(node, self._made)

    def finish(self) -> None:
        if self._last:
            node, read = self._last
            made = self._records.now(node, self._made).outputs
            self._records.save(node, read.model_copy(update={"outputs": made}))
            self._records.offer_newest(node)
        self._last = None


def outdated_datasets(pipeline: Pipeline, catalog: DataCatalog) -> list[str]:
    """Name the datasets of nodes that read files which have changed since, or depend on such.

    Parameters and files that are not there now do not count, nor nodes without a record.
    """
    records = NodeRecords(catalog)
    outdated: list[str] = []
    for node in pipeline.nodes:
        before = records.load(node)
        if before is None:
            continue
        now = {name: records.state_of_source(name) for name in before.inputs if name in catalog}
        if set(outdated) & set(node.inputs) or any(
            state not in (None, before.inputs[name]) for name, state in now.items()
        ):
            outdated += node.outputs
    return outdated


def command(environment: str | None, parameters: dict[str, Any] | None) -> str:
    """Write the command that brings an environment up to date."""
    words = ["kedro run"]
    if environment:
        words.append(f"--env={environment}")
    if parameters:
        given = (f"{name}={'' if value is None else value}" for name, value in leaves(parameters))
        words.append(f'--params "{",".join(given)}"')
    return " ".join([*words, "--only-missing-outputs"])
