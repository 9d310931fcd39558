"""Finds and outlines defects on steel sheets."""

import os
import sys

__version__ = "0.1.0"

# Kedro, MLflow, Ray and others report their use unless these are set before they are imported.
os.environ.update(DO_NOT_TRACK="1", MLFLOW_DISABLE_TELEMETRY="true", RAY_USAGE_STATS_ENABLED="0")
# OpenVINO and NNCF have no such switch, but do without this library, which sends their reports.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
