"""Nodes that show what the chosen gate looks at, and where it is confidently wrong."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from steel_defects.datasets.trained_models import TrainedGate
from steel_defects.images.folder import SheetFolder
from steel_defects.reporting.config import ReportingConfig

_NO_GATE = "There is no gate."
_EXPLAINED = 3  # most hits, misses and false alarms of the gate, of each
_MISTAKES = 20  # sheets that the gate is most confidently wrong about, at most


def check_grad_cam(
    chosen_gate: TrainedGate | None, sheets: pd.DataFrame, annotations: pd.DataFrame
) -> pd.DataFrame:
    """Measure how much of the gate's heat lies on the defects, on sheets that it had not seen."""
    from steel_defects.evaluation.attention import attention_table

    explained = _explained(chosen_gate)
    defective = explained[explained["has_defect"]].merge(
        sheets[["sheet_id", "height", "width"]], on="sheet_id"
    )
    masks = _Masks(annotations)
    return attention_table(
        (row.sheet_id, row.outcome, _heat(row), masks.of(row.sheet_id, (row.height, row.width)))
        for row in defective.itertuples()
    )


def _explained(gate: TrainedGate | None) -> pd.DataFrame:
    """Join the chosen gate's maps, scores and decisions; no rows without a gate."""
    from steel_defects.reporting.gate_pictures import gate_outcomes

    if gate is None:
        columns = ["sheet_id", "has_defect", "outcome"]
        return pd.DataFrame(columns=columns).astype({"has_defect": bool})
    scores, threshold = gate.scores, gate.operating_point.lower_threshold
    held_out = scores.loc[scores["repeat"].isna(), ["sheet_id", "has_defect", "score"]]
    table = gate.heat_maps.merge(held_out, on="sheet_id")
    return table.assign(outcome=gate_outcomes(table["has_defect"], table["score"], threshold))


def _heat(row: Any) -> np.ndarray:
    return np.asarray(row.heat, np.float32).reshape(row.rows, row.columns)


class _Masks:
    """Masks of all defects of a sheet, whatever their class."""

    def __init__(self, annotations: pd.DataFrame) -> None:
        self._encoded = annotations.groupby("sheet_id")["rle"].apply(list).to_dict()

    def of(self, sheet_id: str, shape: tuple[int, int]) -> np.ndarray:
        from steel_defects.labels import rle as run_length

        mask = np.zeros(shape, np.uint8)
        for rle in self._encoded.get(sheet_id, []):
            mask |= run_length.decode(rle, *shape)
        return mask


def draw_grad_cam(
    chosen_gate: TrainedGate | None,
    raw_sheets: SheetFolder,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    reporting: ReportingConfig,
) -> Any:
    """Lay the gate's heat over some hits, misses and false alarms."""
    from steel_defects.evaluation.attention import spread_heat
    from steel_defects.reporting.gate_pictures import (
        choose_explained,
        grad_cam_figure,
        heat_over_sheet,
        outlined,
    )

    explained = _explained(chosen_gate)
    chosen = choose_explained(explained, _EXPLAINED, reporting.seed)
    masks, pictures, captions = _Masks(annotations), [], []
    for row in chosen.merge(sheets[["sheet_id", "path"]], on="sheet_id").itertuples():
        image = raw_sheets.read(row.path)
        heat = spread_heat(_heat(row), image.shape)
        pictures.append(outlined(heat_over_sheet(image, heat), masks.of(row.sheet_id, image.shape)))
        cold = "" if heat.any() else " (no heat: no place speaks for a defect)"
        captions.append(f"{row.outcome}, score {row.score:.3f}: {row.sheet_id}{cold}")
    threshold = chosen_gate.operating_point.lower_threshold if chosen_gate else None
    nothing = "No hit, miss or false alarm among the sheets that training did not see."
    return grad_cam_figure(pictures, captions, threshold, nothing if chosen_gate else _NO_GATE)


def list_mistakes(chosen_gate: TrainedGate | None) -> pd.DataFrame:
    """List the sheets that the chosen gate is most confidently wrong about."""
    from steel_defects.reporting.gate_pictures import confident_mistakes

    return confident_mistakes(chosen_gate.scores if chosen_gate else None, _MISTAKES)


def draw_mistakes(
    confident_mistakes: pd.DataFrame,
    chosen_gate: TrainedGate | None,
    raw_sheets: SheetFolder,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
) -> Any:
    """Draw a contact sheet of them, with the outlines that people have drawn."""
    from steel_defects.drawing.style import contact_sheet
    from steel_defects.reporting.gate_pictures import mistake_captions

    pictures = outlined_sheets(confident_mistakes["sheet_id"], raw_sheets, sheets, annotations)
    nothing = "No sheet is scored on the wrong side of even odds."
    return contact_sheet(
        pictures,
        mistake_captions(confident_mistakes),
        nothing if chosen_gate else _NO_GATE,
    )


def outlined_sheets(
    sheet_ids: Iterable[str],
    raw_sheets: SheetFolder,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
) -> list[np.ndarray]:
    """Read sheets, and draw on them the outlines that people have drawn."""
    from steel_defects.reporting.gate_pictures import outlined

    paths, masks = sheets.set_index("sheet_id")["path"], _Masks(annotations)
    pictures = []
    for sheet_id in sheet_ids:
        image = raw_sheets.read(paths[sheet_id])
        pictures.append(outlined(image, masks.of(sheet_id, image.shape)))
    return pictures
