"""How configuration is read."""

from typing import Any

from kedro.config import OmegaConfigLoader

from steel_defects.selection import publish


class ConfigLoader(OmegaConfigLoader):
    """Publishes what the parameters choose, so that only the nodes of what is chosen exist."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Read the parameters once; see :class:`kedro.config.OmegaConfigLoader`."""
        super().__init__(*args, **options)
        publish(self["parameters"])
