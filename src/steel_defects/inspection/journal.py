"""What was found on the sheets of a part that is not full yet, a line of JSON each.

A line is on disk, as far as the operating system is concerned, before the next sheet is judged: a
process that is killed loses nothing that it has judged.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from steel_defects.errors import SteelDefectsError
from steel_defects.inspection.cascade import InspectedSheet
from steel_defects.inspection.regions import Region
from steel_defects.inspection.rules import Verdict


class Journal:
    """A file of sheets that were inspected."""

    def __init__(self, path: Path) -> None:
        """Open the journal; what an earlier process has left in it is kept."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._cut_off_half_a_line()
        self._file = path.open("ab", buffering=0)

    def read(self) -> list[InspectedSheet]:
        """Return the sheets in it."""
        with self.path.open("rb") as lines:
            return [_from_json(json.loads(line)) for line in lines]

    def append(self, sheet: InspectedSheet) -> None:
        """Add a sheet."""
        line = json.dumps(_to_json(sheet), default=float).encode() + b"\n"
        if self._file.write(line) != len(line):
            raise SteelDefectsError(f"{self.path}: no room is left on the disk")

    def close(self) -> None:
        """Close the file, and leave it where it is."""
        self._file.close()

    def remove(self) -> None:
        """Delete the file: its sheets are in a finished part."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _cut_off_half_a_line(self) -> None:
        """Remove what was being written when the process was killed, or the disk was full."""
        if self.path.is_file():
            whole = self.path.read_bytes().rpartition(b"\n")
            with self.path.open("r+b") as file:
                file.truncate(len(whole[0]) + len(whole[1]))


def _to_json(sheet: InspectedSheet) -> dict[str, Any]:
    return vars(sheet) | {  # asdict would copy every value of every region
        "verdict": vars(sheet.verdict),
        "regions": [vars(region) for region in sheet.regions],
        "inspected_at": sheet.inspected_at.isoformat(),
    }


def _from_json(values: dict[str, Any]) -> InspectedSheet:
    return InspectedSheet(
        **values
        | {
            "verdict": Verdict(**values["verdict"]),
            "regions": tuple(Region(**region) for region in values["regions"]),
            "masks": tuple(values["masks"]),
            "inspected_at": datetime.fromisoformat(values["inspected_at"]),
        }
    )
