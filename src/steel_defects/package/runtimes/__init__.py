"""Running a package's networks by Keras, OpenVINO, ONNX Runtime or LiteRT, imported when used."""

from steel_defects.package.runtimes.choice import load_runtime
from steel_defects.package.runtimes.network import ExecutionConfig
from steel_defects.package.runtimes.runtime import PackageRuntime

__all__ = ["ExecutionConfig", "PackageRuntime", "load_runtime"]
