import zipfile
from collections.abc import Callable
from pathlib import Path

import keras
import pytest

from steel_defects.errors import SteelDefectsError
from steel_defects.models.files import load_model, save_model
from steel_defects.training.steps import AveragingAdamW


def test_a_compiled_model_would_need_its_optimizer_s_class(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(AveragingAdamW(0.001, 0.0, 1.0, 0.0), loss="mse")
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
    copy = changed_copy(path, config=change)
    with pytest.raises(SteelDefectsError, match=r"cannot load the model .*model\.keras: ") as error:
        load_model(copy, path)
    assert str(error.value).isprintable()


def changed_copy(path: Path, **changes: Callable[[bytes], bytes]) -> Path:
    """Save a small model, and a copy of it with other contents of some of its JSON files."""
    save_model(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]), path)
    copy = path.with_name("copy.keras")
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(copy, "w") as changed:
        for name in archive.namelist():
            change = changes.get(Path(name).stem, bytes)
            changed.writestr(name, change(archive.read(name)))
    return copy


@pytest.mark.parametrize(
    ("metadata", "remedy"),
    [
        (b'{"keras_version": "99.0.1"}', r"by Keras 99\.0\.1, and 3.* pip install keras==99\.0\.1"),
        (f'{{"keras_version": "{keras.__version__}"}}'.encode(), "; restore it or make it again$"),
        (b"[]", "; restore it or make it again$"),
    ],
)
def test_a_file_of_another_keras_that_cannot_be_loaded_names_both(tmp_path, metadata, remedy):
    path = tmp_path / "model.keras"
    copy = changed_copy(path, config=lambda config: b"{}", metadata=lambda earlier: metadata)
    with pytest.raises(SteelDefectsError, match=remedy):
        load_model(copy, path)
