"""What MLflow gets of a run, where the extra ``mlflow`` is installed: nothing happens without it.

kedro-mlflow opens a run and logs parameters; metrics, figures and versions of models come from
here, so that the catalog is the same with and without it.
"""

import sys
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from steel_defects.kedro_compat import filepath_of

#: Tables of metrics, and the column that names the row.
_COMPARISONS = {
    "classification_comparison": "backbone",
    "segmentation_comparison": "architecture",
    "class_comparison": "class_name",
}


class TrackingHooks:
    """Sends metrics, figures, the report and versions of models to the open run of MLflow."""

    # kedro-mlflow closes its run at the same point.
    @hook_impl(tryfirst=True)
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Log what this run made."""
        mlflow = sys.modules.get("mlflow")
        if mlflow is None or mlflow.active_run() is None:
            return
        for name in sorted(pipeline.all_outputs()):
            if name in _COMPARISONS:
                mlflow.log_metrics(metrics_of(catalog.load(name), name, _COMPARISONS[name]))
            elif name == "report" or name.endswith("_figure"):
                _log_file(mlflow, filepath_of(catalog[name]))
            elif name.endswith((".classifier", ".segmenter")):
                dataset: Any = catalog[name]
                mlflow.set_tag(f"version.{name}", dataset.resolve_load_version())


def metrics_of(table: pd.DataFrame, name: str, key: str) -> dict[str, float]:
    """Return the numbers of a table, such as ``classification_comparison.vgg16.test.accuracy``.

    Args:
        table: One row per model (or class) and evaluation.
        name: Name of the dataset, with which all begin.
        key: Column that names the row; others of text stand after it, if they tell rows apart.
    """
    metrics: dict[str, float] = {}
    owners = [c for c in ("architecture", key, "evaluation") if c in table]
    for row in table.to_dict("records"):
        start = ".".join([name, *dict.fromkeys(str(row[column]) for column in owners)])
        for column, value in row.items():
            if isinstance(value, int | float) and not pd.isna(value):
                metrics[f"{start}.{column}"] = float(value)
    return metrics


def _log_file(mlflow: Any, path: Path | None) -> None:
    if path and path.is_file():
        mlflow.log_artifact(str(path), "reporting")
