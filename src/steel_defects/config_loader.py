"""How configuration is read."""

from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader

from steel_defects.paths import refuse_pattern
from steel_defects.selection import publish


class ConfigLoader(OmegaConfigLoader):
    """Publishes what the parameters choose, so that only the nodes of what is chosen exist."""

    def __init__(self, conf_source: str | Path, *args: Any, **options: Any) -> None:
        """Read the parameters once; see :class:`kedro.config.OmegaConfigLoader`."""
        refuse_pattern(str(conf_source))
        super().__init__(conf_source, *args, **options)
        publish(self["parameters"])
