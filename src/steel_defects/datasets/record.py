"""Records of runs in the catalog: JSON on disk, typed objects in code."""

from typing import Any

from kedro.utils import load_obj
from kedro_datasets.json import JSONDataset
from pydantic import ValidationError

from steel_defects.config import Record
from steel_defects.errors import SteelDefectsError


class RecordDataset(JSONDataset):
    """Saves a record as JSON, and loads it as an object of its class."""

    def __init__(self, *, record: str, **arguments: Any) -> None:
        """Name the record's class by its full path; the rest is as for JSON."""
        super().__init__(**arguments)
        self._record = record

    def load(self) -> Record:
        """Read a record.

        Raises:
            SteelDefectsError: The file holds another kind of record.
        """
        content = super().load()
        try:
            return load_obj(self._record).model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "it"
            raise SteelDefectsError(
                f"{self._get_load_path()}: {place}: {first['msg']}; another release wrote it: run "
                "the pipeline that makes it again"
            ) from error

    def save(self, data: Record) -> None:
        """Write a record."""
        super().save(data.model_dump(mode="json"))
