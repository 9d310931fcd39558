"""Grad-CAM of many sheets: each gets its own map, whatever the batches."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from steel_defects import tables as schemas
from steel_defects.images.reading import resize
from steel_defects.models.classifier import build_classifier
from steel_defects.models.config import BackboneConfig, HeadConfig
from steel_defects.prediction.sheet_scores import GradCam, heat_map_table

SIZE = (32, 96)
SHEETS = 18  # a batch, and two more


@pytest.mark.slow
def test_maps_of_sheets_of_any_size_in_order():
    config = BackboneConfig(name="mobilenet_v2", weights="none", alpha=0.35)
    model = build_classifier(config, HeadConfig(units=(), dropout=0.0), SIZE, 3)
    rng = np.random.default_rng(2)
    pictures = {
        f"{k}.png": rng.integers(0, 256, (40 + k, 120), dtype=np.uint8) for k in range(SHEETS)
    }
    folder = SimpleNamespace(read=pictures.__getitem__)
    names = list(pictures)
    table = heat_map_table(model, folder, pd.DataFrame({"sheet_id": names, "path": names}))
    schemas.heat_maps.validate(table)
    assert table["sheet_id"].tolist() == names
    assert (table["rows"] == 1).all() and (table["columns"] == 3).all()
    explain = GradCam(model)
    for number in (0, 15, 17):
        sheet = resize(pictures[names[number]], SIZE).astype(np.float32)[None, ..., None]
        np.testing.assert_allclose(
            table["heat"][number], explain(sheet).reshape(-1), rtol=1e-3, atol=1e-6
        )
    assert table["heat"].map(max).max() > 0
    assert heat_map_table(model, folder, pd.DataFrame({"sheet_id": [], "path": []})).empty
