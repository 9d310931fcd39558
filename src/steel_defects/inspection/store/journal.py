"""What was found on the sheets of a part that is not full yet, a line of JSON each.

A line is on disk, as far as the operating system is concerned, before the next sheet is judged: a
process that is killed loses nothing that it has judged. After a failure of power lines may be
missing or damaged: what is behind the first such line is judged again.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from steel_defects.decision.regions import Region
from steel_defects.decision.verdict import Verdict
from steel_defects.errors import SteelDefectsError
from steel_defects.inspection.cascade import InspectedSheet
from steel_defects.locks import lock


class Journal:
    """A file of sheets that were inspected, by one process at a time."""

    def __init__(self, path: Path) -> None:
        """Open the journal; what an earlier process has left in it is kept.

        Raises:
            SteelDefectsError: Another process is writing it.
        """
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        try:
            if not lock(self._file.fileno(), path.parent):
                raise SteelDefectsError(f"another process is inspecting these sheets ({path})")
            self._sheets = self._read()
        except BaseException:
            self._file.close()
            raise

    def read(self) -> dict[str, InspectedSheet]:
        """Return the sheets that were in it when it was opened, by id; of one id the last."""
        sheets: dict[str, InspectedSheet] = {}
        for sheet in self._sheets:
            sheets.pop(sheet.sheet_id, None)
            sheets[sheet.sheet_id] = sheet
        return sheets

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

    def _read(self) -> list[InspectedSheet]:
        """Read the whole lines, and cut the file off behind the last of them."""
        sheets, sound = [], 0
        with self.path.open("rb") as lines:
            for line in lines:
                sheet = _sheet_in(line)
                if sheet is None:
                    break
                sheets.append(sheet)
                sound += len(line)
        self._file.truncate(sound)
        return sheets


def _sheet_in(line: bytes) -> InspectedSheet | None:
    """Return the sheet of a line; None for one that was not written to its end, or is damaged."""
    try:
        return _from_json(json.loads(line)) if line.endswith(b"\n") else None
    except (ValueError, TypeError, KeyError):
        return None


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
            "file": tuple(values["file"]),
            "inspected_at": datetime.fromisoformat(values["inspected_at"]),
        }
    )
