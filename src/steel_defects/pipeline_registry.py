"""The project's pipelines, by name.

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
    reporting,
    sample_data,
    segmentation,
)


def register_pipelines() -> dict[str, Pipeline]:
    """Return all pipelines; ``__default__`` runs from raw data to the report."""
    # Comparisons read across namespaces on purpose; Kedro warns of the dots in such names.
    warnings.filterwarnings("ignore", message=r"One or more dataset names contain '\.'")
    pipelines = {
        "sample_data": sample_data.create_pipeline(),
        "data_engineering": data_engineering.create_pipeline(),
        "classification": classification.create_pipeline(),
        "segmentation": segmentation.create_pipeline(),
        "reporting": reporting.create_pipeline(),
        "inspection": inspection.create_pipeline(),
        "deployment": deployment.create_pipeline(),
    }
    main = ("data_engineering", "classification", "segmentation", "reporting")
    return {**pipelines, "__default__": Pipeline([pipelines[name] for name in main])}
