"""The project's pipelines, by name, with the nodes of what the parameters choose.

Explicit, so that one pipeline can be part of another and every way of naming them works. Nodes
import heavy code inside their functions: reading this registry takes neither TensorFlow nor Keras.
"""

import warnings

from kedro.pipeline import Pipeline

from steel_defects.pipelines import (
    classification,
    data_engineering,
    deployment,
    inspection,
    labelling,
    learning_curve,
    promotion,
    proposal,
    reporting,
    sample_data,
    segmentation,
)
from steel_defects.selection import Selection, current_selection


def register_pipelines() -> dict[str, Pipeline]:
    """Return all pipelines; ``__default__`` runs from raw data to the report."""
    return create_pipelines(current_selection())


def create_pipelines(selection: Selection) -> dict[str, Pipeline]:
    """Make all pipelines for what is chosen."""
    # Comparisons read across namespaces on purpose; Kedro warns of the dots in such names.
    warnings.filterwarnings("ignore", message=r"One or more dataset names contain '\.'")
    pipelines = {
        "sample_data": sample_data.create_pipeline(),
        "data_engineering": _in_one_box(
            "data_engineering", data_engineering.create_pipeline(selection.segmenter_only)
        ),
        "classification": classification.create_pipeline(selection),
        "segmentation": segmentation.create_pipeline(selection),
        "learning_curve": learning_curve.create_pipeline(selection),
        "reporting": _in_one_box("reporting", reporting.create_pipeline(selection)),
        "inspection": inspection.create_pipeline(),
        "deployment": deployment.create_pipeline(),
        "labelling": labelling.create_pipeline(),
        "promotion": promotion.create_pipeline(),
        "proposal": proposal.create_pipeline(),
    }
    main = ("data_engineering", "classification", "segmentation", "learning_curve", "reporting")
    return {**pipelines, "__default__": Pipeline([pipelines[name] for name in main])}


def _in_one_box(name: str, nodes: Pipeline) -> Pipeline:
    """Let kedro-viz fold nodes, and what passes between them, into a box; datasets keep names."""
    return Pipeline(nodes, namespace=name, prefix_datasets_with_namespace=False)
