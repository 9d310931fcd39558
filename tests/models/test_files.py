import keras
import pytest

from steel_defects.errors import SteelDefectsError
from steel_defects.models.files import save_model
from steel_defects.training.optimizers import SlowerAdamW


def test_a_compiled_model_would_need_its_optimizer_s_class(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(SlowerAdamW(), loss="mse")
    with pytest.raises(SteelDefectsError, match="parts that Keras alone can't load"):
        save_model(model, tmp_path / "compiled.keras")
    assert not list(tmp_path.iterdir())
