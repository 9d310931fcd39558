"""How configuration is read."""

import logging
import os
from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader
from omegaconf import OmegaConf

from steel_defects.errors import SteelDefectsError
from steel_defects.paths import refuse_pattern
from steel_defects.retired import bring_up_to_date
from steel_defects.selection import publish

logger = logging.getLogger(__name__)


class ConfigLoader(OmegaConfigLoader):
    """Reads parameters of earlier releases, too, and publishes what they choose.

    So only the nodes of what is chosen exist; see :mod:`steel_defects.selection`.
    """

    def __init__(self, conf_source: str | Path, *args: Any, **options: Any) -> None:
        """Read the parameters once; see :class:`kedro.config.OmegaConfigLoader`."""
        refuse_pattern(str(conf_source))
        super().__init__(conf_source, *args, **options)
        # Kedro restricts what a request to its server may set; and its registry serves them all.
        chosen = sorted({"architectures", "backbones"} & set(self.runtime_params or {}))
        if self.restrict_runtime_params_type_selection and chosen:
            raise SteelDefectsError(
                f"a request cannot choose {' and '.join(chosen)}, which all requests share; set "
                "them in the environment's parameters.yml, and start the server again"
            )
        self._given, self._noted = self.runtime_params, False
        publish(self["parameters"])

    def __getitem__(self, key: str) -> dict[str, Any]:
        """Return configuration by key; the catalog may name parameters: ``${parameter:name,…}``.

        Raises:
            SteelDefectsError: A retired parameter has a value that can no longer be had.
        """
        OmegaConf.register_new_resolver("parameter", self._parameter, replace=True)
        values: dict[str, Any] = super().__getitem__(key)
        if key == "parameters":
            note = bring_up_to_date(values, self.runtime_params)
            # A run reads them several times, once without what --params gives, and is told once.
            if note and not self._noted and self.runtime_params is self._given:
                self._noted = True
                logger.warning(note)
        return values

    def _parameter(self, name: str, otherwise: str) -> str:
        """Return a path that a parameter gives, by its dotted name; otherwise another one."""
        value = OmegaConf.select(OmegaConf.create(self["parameters"]), name)
        return otherwise if value is None else os.path.expanduser(str(value))
