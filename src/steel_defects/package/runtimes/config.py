"""How the networks of a package are run; free of all runtimes."""

from pydantic import Field

from steel_defects.config import Config


class ExecutionConfig(Config):
    """What a runtime may use.

    Attributes:
        streams: Sheets that are worked on at a time; 1 gives a single sheet all cores, 0 as many as
            the runtime thinks best for throughput.
        threads: Cores in all; 0 for every one.
        device: OpenVINO's name of the device, such as ``CPU``, ``GPU`` or ``AUTO``.
        providers: ONNX Runtime's execution providers, the preferred one first; those that are not
            installed are passed over.
    """

    streams: int = Field(default=0, ge=0)
    threads: int = Field(default=0, ge=0)
    device: str = "CPU"
    providers: tuple[str, ...] = Field(default=("CPUExecutionProvider",), min_length=1)
