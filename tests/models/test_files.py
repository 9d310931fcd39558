import zipfile

import keras
import pytest

from steel_defects.errors import SteelDefectsError
from steel_defects.models.files import load_model, save_model
from steel_defects.training.optimizers import SlowerAdamW


def test_a_compiled_model_would_need_its_optimizer_s_class(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(SlowerAdamW(), loss="mse")
    with pytest.raises(SteelDefectsError, match="parts that Keras alone can't load"):
        save_model(model, tmp_path / "compiled.keras")
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_is_named_in_one_line(tmp_path):
    path = tmp_path / "model.keras"
    save_model(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]), path)
    content = bytearray(path.read_bytes())
    place = content.index(b"config.json") + 200
    content[place] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(SteelDefectsError, match=r"cannot load the model .*model\.keras: ") as error:
        load_model(path)
    assert "\n" not in str(error.value)


ADAM = b'{"module": "keras.optimizers", "class_name": "Adam", "config": {}}'


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config.replace(b'"units": 1', b'"units": 1000000000000'),
        lambda config: b'{"a":' * 900 + config + b"}" * 900,
        lambda config: ADAM,
    ],
    ids=["too large", "nested too deeply", "no model"],
)
def test_a_changed_file_is_named_in_one_line(tmp_path, change):
    path = tmp_path / "model.keras"
    save_model(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]), path)
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files["config.json"] = change(files["config.json"])
    with zipfile.ZipFile(tmp_path / "copy.keras", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    with pytest.raises(SteelDefectsError, match=r"cannot load the model .*model\.keras: ") as error:
        load_model(tmp_path / "copy.keras", path)
    assert str(error.value).isprintable()
