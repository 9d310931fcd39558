"""Which weights records belong to."""

from pathlib import Path

import keras
import pandas as pd
import pytest
from kedro.io import DataCatalog

from steel_defects.errors import SteelDefectsError
from steel_defects.models.files import load_model, save_model
from steel_defects.models.trained import common_stamp, network_digest, stamp_of


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


def convolutional(filters: int = 2, policy: str = "float32") -> keras.Model:
    """Layers are numbered through the process, and share an object that has an address."""
    sheet, dtype = keras.Input((8, 8, 1)), keras.DTypePolicy(policy)
    maps = keras.layers.Conv2D(filters, 3, dtype=dtype, kernel_initializer="ones")(sheet)
    maps = keras.layers.Conv2D(1, 3, dtype=dtype, kernel_initializer="ones")(maps)
    return keras.Model(sheet, maps, name="unet")


def test_a_digest_is_of_weights_and_configuration_and_of_nothing_else(tmp_path: Path):
    first, second = convolutional(), convolutional()
    assert first.to_json() != second.to_json()
    save_model(first, tmp_path / "unet.keras")
    digests = {network_digest(one) for one in (first, second, load_model(tmp_path / "unet.keras"))}
    assert len(digests) == 1
    first.set_weights([weight + 1 for weight in first.get_weights()])
    others = (first, convolutional(3), convolutional(policy="mixed_bfloat16"))
    assert len(digests | set(map(network_digest, others))) == 4


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
