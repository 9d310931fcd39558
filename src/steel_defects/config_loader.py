"""Reading the project's configuration."""

import logging
from typing import Any

from kedro.config import OmegaConfigLoader

from steel_defects.retired import note_on, take_out_retired

logger = logging.getLogger(__name__)


class ConfigLoader(OmegaConfigLoader):
    """Reads parameters as Kedro does, without those of earlier releases."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Take what Kedro's loader takes."""
        super().__init__(*args, **options)
        self._given, self._noted = self.runtime_params, False

    def __getitem__(self, key: str) -> dict[str, Any]:
        """Return configuration by key.

        Raises:
            SteelDefectsError: A retired parameter has a value that can no longer be had.
        """
        values: dict[str, Any] = super().__getitem__(key)
        if key == "parameters":
            names = take_out_retired(values)
            # A run reads them several times, once without what --params gives, and is told once.
            if names and not self._noted and self.runtime_params is self._given:
                self._noted = True
                logger.warning(note_on(names))
        return values
