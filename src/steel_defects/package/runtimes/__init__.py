"""Running a package's networks by Keras, OpenVINO, ONNX Runtime or LiteRT, imported when used."""

from steel_defects.package.runtimes.choice import KerasRuntime, load_runtime
from steel_defects.package.runtimes.config import ExecutionConfig
from steel_defects.package.runtimes.runtime import PackageRuntime, Runtime

__all__ = ["ExecutionConfig", "KerasRuntime", "PackageRuntime", "Runtime", "load_runtime"]
