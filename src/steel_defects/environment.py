"""What libraries take from the machine they run on, set before they are imported."""

import atexit
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from shutil import rmtree
from tempfile import TemporaryFile, mkdtemp
from types import ModuleType
from typing import Any

from steel_defects.errors import SteelDefectsError
from steel_defects.threads import core_count

_BACKENDS = ("tensorflow", "jax")
#: Sizes of the thread pools of TensorFlow, OpenMP and OpenCV.
_POOLS = (
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
    *("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"),
)


def prepare() -> None:
    """Let nothing on the machine change what the libraries do; call it before they are imported."""
    # Kedro, MLflow, Ray and others report their use unless these are set.
    os.environ.update(
        DO_NOT_TRACK="1", MLFLOW_DISABLE_TELEMETRY="true", RAY_USAGE_STATS_ENABLED="0"
    )
    # OpenVINO and NNCF have no such switch, but do without this library, which sends reports.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Keras takes this, and what _KerasFinder sets, over the user's keras.json.
    default = "tensorflow" if PathFinder.find_spec("tensorflow") else "jax"
    os.environ["KERAS_BACKEND"] = os.environ.get("KERAS_BACKEND") or default
    # After finders of others, which may know better.
    sys.meta_path.insert(sys.meta_path.index(PathFinder), _KerasFinder())
    if core_count() < (os.cpu_count() or 1):
        # Their pools count the cores of the machine, not those that this process may use.
        os.environ.update({name: os.environ.get(name, str(core_count())) for name in _POOLS})
    # Before a process ends, Python looks for garbage in all objects; those of a few networks that
    # TensorFlow compiled take it some seconds.
    atexit.register(gc.freeze)
    if os.path.expanduser("~") == "~":
        # This user has no home directory, and libraries that Keras imports end without one.
        os.environ["HOME"] = mkdtemp(prefix="steel_defects-")
        atexit.register(rmtree, os.environ["HOME"], ignore_errors=True)


class _KerasFinder(MetaPathFinder):
    """Sets the number format and the order of axes as soon as Keras is imported."""

    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        """Find Keras as always, and have it set up after it is loaded."""
        if name != "keras":
            return None
        spec = PathFinder.find_spec(name)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_set(keras: ModuleType) -> None:
                with _quiet_libraries():
                    load(keras)
                    if tensorflow := sys.modules.get("tensorflow"):
                        tensorflow.config.list_physical_devices("GPU")
                keras.config.set_floatx("float32")
                keras.config.set_image_data_format("channels_last")

            spec.loader.exec_module = load_and_set  # type: ignore[assignment,method-assign]
        return spec


@contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Show what libraries write to standard error only if they fail.

    TensorFlow says twice, past all settings, that a machine has no GPU: when it is imported, and
    when it first looks for one.
    """
    try:
        standard_error = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    with TemporaryFile() as text:
        os.dup2(text.fileno(), 2)
        try:
            yield
        except BaseException:
            text.seek(0)
            os.write(standard_error, text.read())
            raise
        finally:
            os.dup2(standard_error, 2)
            os.close(standard_error)


def check_backend() -> None:
    """Refuse a backend of Keras with which the models were never tried.

    Raises:
        SteelDefectsError: The backend is neither TensorFlow nor JAX.
    """
    backend = os.environ["KERAS_BACKEND"]
    if backend not in _BACKENDS:
        raise SteelDefectsError(
            f"KERAS_BACKEND={backend} is not supported; set it to {' or '.join(_BACKENDS)}"
        )
