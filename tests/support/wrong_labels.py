"""Labels that are wrong on purpose: a class swapped, a mask dropped, added or moved."""

from collections.abc import Callable

import cv2
import numpy as np
import pandas as pd

from steel_defects.labels import rle
from steel_defects.labels.masks import masks_by_sheet, sizes_by_sheet

LEAST_MOVE = 30  # pixels
_TRIES = 200
_LEFT = 0.5  # share of a moved mask that must still lie on the sheet

Masks = dict[int, str]


class Planter:
    """Makes labels wrong, one of a sheet at the most."""

    def __init__(
        self,
        annotations: pd.DataFrame,
        sheets: pd.DataFrame,
        classes: int,
        rng: np.random.Generator,
    ) -> None:
        self.masks = masks_by_sheet(annotations)
        self._sizes, self._classes, self._rng = sizes_by_sheet(sheets), classes, rng
        self._kinds: dict[str, Callable[[str], bool]] = {
            "swapped": self._swap, "dropped": self._drop, "added": self._add, "moved": self._move,
        }  # fmt: skip
        rows = annotations[["sheet_id", "class_id"]].itertuples(index=False, name=None)
        self._donors = [(sheet_id, int(class_id)) for sheet_id, class_id in rows]

    def plant(self, share: float) -> dict[str, str]:
        """Make a share of the sheets wrong, as many in each way; returns the way of each sheet."""
        ids = self._rng.permutation(sorted(self._sizes)).tolist()
        planted: dict[str, str] = {}
        each = max(1, round(share * len(ids) / len(self._kinds)))
        for kind, change in self._kinds.items():
            for sheet_id in ids:
                if list(planted.values()).count(kind) == each:
                    break
                if sheet_id not in planted and change(sheet_id):
                    planted[sheet_id] = kind
        return planted

    @property
    def annotations(self) -> pd.DataFrame:
        rows = [
            (sheet_id, class_id, encoded, rle.area(encoded))
            for sheet_id, masks in sorted(self.masks.items())
            for class_id, encoded in sorted(masks.items())
        ]
        return pd.DataFrame(rows, columns=["sheet_id", "class_id", "rle", "area_px"])

    def _labelled(self, sheet_id: str) -> int:
        return int(self._rng.choice(sorted(self.masks[sheet_id])))

    def _absent(self, sheet_id: str) -> list[int]:
        return [k for k in range(1, self._classes + 1) if k not in self.masks.get(sheet_id, {})]

    def _swap(self, sheet_id: str) -> bool:
        if not self.masks.get(sheet_id) or not self._absent(sheet_id):
            return False
        mask = self.masks[sheet_id].pop(self._labelled(sheet_id))
        # Not the class that it had: that one is absent only from now on.
        others = [k for k in self._absent(sheet_id) if (sheet_id, k) not in self._donors]
        self.masks[sheet_id][int(self._rng.choice(others))] = mask
        return True

    def _drop(self, sheet_id: str) -> bool:
        if not self.masks.get(sheet_id):
            return False
        del self.masks[sheet_id][self._labelled(sheet_id)]
        return True

    def _add(self, sheet_id: str) -> bool:
        absent = self._absent(sheet_id)
        donors = [
            one for one in self._donors
            if one[1] in absent and self._sizes[one[0]] == self._sizes[sheet_id]
            and one[1] in self.masks.get(one[0], {})
        ]  # fmt: skip
        if not donors:
            return False
        donor, class_id = donors[int(self._rng.integers(len(donors)))]
        self.masks.setdefault(sheet_id, {})[class_id] = self.masks[donor][class_id]
        return True

    def _move(self, sheet_id: str) -> bool:
        if not self.masks.get(sheet_id):
            return False
        class_id, size = self._labelled(sheet_id), self._sizes[sheet_id]
        mask = rle.decode(self.masks[sheet_id][class_id], *size)
        for _ in range(_TRIES):
            longest = max(LEAST_MOVE + 1.0, 0.5 * max(size))
            length, angle = self._rng.uniform(LEAST_MOVE, longest), self._rng.uniform(0, 2 * np.pi)
            moved = shifted(mask, round(length * np.sin(angle)), round(length * np.cos(angle)))
            if moved.sum() >= _LEFT * mask.sum():
                self.masks[sheet_id][class_id] = rle.encode(moved)
                return True
        return False


def shifted(mask: np.ndarray, down: int, across: int) -> np.ndarray:
    """Move a mask; what leaves the sheet is lost."""
    to = np.array([[1, 0, across], [0, 1, down]], np.float32)
    return cv2.warpAffine(mask, to, mask.shape[::-1], flags=cv2.INTER_NEAREST)


def recall(
    ranking: list[str], planted: dict[str, str], sheets: int, share: float
) -> dict[str, float]:
    """Return which share of the planted labels the first sheets of a ranking hold.

    Args:
        ranking: Sheets, the most doubtful first; what comes again counts once.
        planted: The way in which each planted sheet is wrong.
        sheets: Number of all sheets.
        share: Of all sheets that are looked at.
    """
    looked_at = set(list(dict.fromkeys(ranking))[: round(share * sheets)])
    kinds = pd.Series(planted)
    found = kinds.index.isin(looked_at)
    by_kind = pd.Series(found, kinds.index).groupby(kinds).mean().to_dict()
    return {"all": float(found.mean()), **by_kind}
