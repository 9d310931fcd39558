"""Which weights records belong to."""

from pathlib import Path

import keras
import pandas as pd
import pytest
from kedro.io import DataCatalog

from steel_defects.errors import SteelDefectsError
from steel_defects.models.files import load_model, save_model
from steel_defects.models.trained import common_stamp, stamp_of


def network(name: str = "resnet50") -> keras.Model:
    sheet = keras.Input((2,))
    return keras.Model(sheet, keras.layers.Dense(1)(sheet), name=name)


def test_a_model_is_the_same_after_it_was_saved_and_another_after_training(tmp_path: Path):
    model = network()
    stamp = stamp_of(gate=model)
    assert stamp["models"]["gate"].startswith("resnet50 ")
    save_model(model, tmp_path / "gate.keras")
    assert stamp_of(gate=load_model(tmp_path / "gate.keras")) == stamp
    model.set_weights([weight + 1 for weight in model.get_weights()])
    assert stamp_of(gate=model) != stamp


def test_a_table_keeps_its_models_in_the_catalog_without_a_column(tmp_path: Path):
    table = pd.DataFrame(
        {"sheet_id": ["a"], "split": ["test"], "has_defect": [True], "output": [0.5]}
    )
    table.attrs = stamp_of(gate=network())
    entry = {
        "type": "pandas.ParquetDataset",
        "filepath": str(tmp_path / "outputs.parquet"),
        "validator": {"class": "steel_defects.tables.classifier_outputs"},
    }
    catalog = DataCatalog.from_config({"outputs": entry})
    catalog.save("outputs", table)
    loaded = catalog.load("outputs")
    assert loaded.attrs == table.attrs
    assert loaded.columns.tolist() == table.columns.tolist()


def test_models_of_several_records_are_put_together():
    gate, both = stamp_of(gate=network()), stamp_of(gate=network("vgg16"), segmenter=network())
    assert common_stamp(point=gate, nothing={}, no_rows=pd.DataFrame()) == gate
    assert common_stamp() == {}
    with pytest.raises(SteelDefectsError) as error:
        common_stamp(classifier=gate, stacking=both)
    assert str(error.value) == (
        "stacking belongs to other weights of the gate than classifier, as after a training that "
        "was killed; run again with --from-nodes=resnet50.score_sheets"
    )


def test_records_of_an_earlier_release_are_taken_and_told(caplog):
    gate = stamp_of(gate=network())
    assert common_stamp(classifier=gate, point={"lower_threshold": 0.2}) == gate
    assert "point: written by an earlier release" in caplog.text
