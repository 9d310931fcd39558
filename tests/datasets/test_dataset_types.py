"""The catalog's own dataset types."""

import base64
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from kedro.io.core import DatasetError, Version

from steel_defects.datasets.files import FigureDataset
from steel_defects.datasets.folder import FolderDataset
from steel_defects.datasets.image_folder import ImageFolderDataset
from steel_defects.datasets.models import KerasModelDataset, ModelPackageDataset, PackageContents
from steel_defects.datasets.probability_maps import ProbabilityMapsDataset
from steel_defects.decision.postprocessing import ClassPostprocessing, SheetPrediction
from steel_defects.package.manifest import Manifest, SegmenterSpec

PNG = b"\x89PNG\r\n\x1a\n"


def picture(level: int):
    return lambda: np.full((20, 50), level, np.uint8)


def dataset(folder: Path, subfolder: str = "") -> ImageFolderDataset:
    return ImageFolderDataset(filepath=str(folder), subfolder=subfolder)


# === Folders of pictures ===


@pytest.mark.parametrize("subfolder", ["", "train_images"])
def test_pictures_come_back(tmp_path, subfolder):
    folder = dataset(tmp_path / "raw", subfolder)
    assert not folder.exists()
    jpeg = cv2.imencode(".jpg", np.full((20, 50), 9, np.uint8))[1].tobytes()
    folder.save({"a.png": picture(1), "sub/b.png": picture(2), "c.jpg": lambda: jpeg})
    assert folder.exists()
    loaded = folder.load()
    assert list(loaded) == ["a.png", "c.jpg", "sub/b.png"]
    np.testing.assert_array_equal(loaded["sub/b.png"], picture(2)())
    assert loaded.path_of("c.jpg").read_bytes() == jpeg
    assert not list(tmp_path.rglob("*.new"))


def test_saving_again_replaces_what_the_catalog_wrote(tmp_path):
    dataset(tmp_path / "raw").save({"a.png": picture(1)})
    dataset(tmp_path / "raw").save({"b.png": picture(2)})
    assert list(dataset(tmp_path / "raw").load()) == ["b.png"]


def test_a_folder_may_be_written_whole_with_nothing_in_it(tmp_path):
    folder = dataset(tmp_path / "overlays")
    folder.save({})
    assert folder.exists()
    assert len(folder.load()) == 0


def test_saving_leaves_the_rest_of_the_data_folder(tmp_path):
    (tmp_path / "train.csv").write_text("mine", encoding="utf-8")
    dataset(tmp_path, "train_images").save({"a.png": picture(1)})
    assert (tmp_path / "train.csv").read_text(encoding="utf-8") == "mine"


def test_pictures_of_others_are_not_overwritten(tmp_path):
    folder = tmp_path / "train_images"
    folder.mkdir()
    (folder / "mine.png").write_bytes(b"mine")
    with pytest.raises(DatasetError, match="not overwritten"):
        dataset(tmp_path, "train_images").save({"a.png": picture(1)})
    assert [path.name for path in folder.iterdir()] == ["mine.png"]


@pytest.mark.parametrize("subfolder", ["", "train_images"])
def test_a_folder_that_was_never_finished_does_not_count(tmp_path, subfolder):
    def killed():
        raise KeyboardInterrupt

    folder = dataset(tmp_path / "raw", subfolder)
    with pytest.raises(KeyboardInterrupt):
        folder.save({"a.png": picture(1), "b.png": killed})
    assert not folder.exists()
    folder.save({"a.png": picture(1)})
    assert list(folder.load()) == ["a.png"]
    with pytest.raises(KeyboardInterrupt):
        folder.save({"c.png": picture(1), "d.png": killed})
    assert list(folder.load()) == ["a.png"]


def test_a_folder_without_pictures_is_not_there(tmp_path):
    (tmp_path / "notes.txt").write_text("no picture", encoding="utf-8")
    assert not dataset(tmp_path).exists()
    with pytest.raises(DatasetError, match="no pictures"):
        dataset(tmp_path).load()


def test_preview_is_a_contact_sheet(tmp_path):
    dataset(tmp_path / "raw").save({f"{n}.png": picture(n) for n in range(8)})
    data = base64.b64decode(str(dataset(tmp_path / "raw").preview(rows=3)))
    assert data.startswith(PNG)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (3 * (480 + 6), 1200, 3)


def test_preview_leaves_out_what_cannot_be_read(tmp_path):
    dataset(tmp_path / "raw").save({f"{n}.png": picture(n) for n in range(2)})
    (tmp_path / "raw" / "0_broken.png").write_bytes(PNG)
    (tmp_path / "secret.png").write_bytes((tmp_path / "raw" / "0.png").read_bytes())
    (tmp_path / "raw" / "0_link.png").symlink_to("../secret.png")
    data = base64.b64decode(str(dataset(tmp_path / "raw").preview()))
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (2 * (480 + 6), 1200, 3)


def test_a_folder_loads_as_its_path(tmp_path):
    folder = FolderDataset(filepath=str(tmp_path / "later"))
    assert folder.load() == tmp_path / "later"
    with pytest.raises(DatasetError):
        folder.save("x")


# === Probability maps ===


def test_probability_maps_come_back(tmp_path):
    rng = np.random.default_rng(0)
    maps = {
        name: rng.integers(0, 256, shape, np.uint8)
        for name, shape in {"a": (2, 3, 4), "b": (5, 1, 4), "c": (3, 3, 1)}.items()
    }
    stored = ProbabilityMapsDataset(filepath=str(tmp_path / "maps"))
    assert not stored.exists()
    presence = {
        name: np.array([0.25] * values.shape[2], np.float32) for name, values in maps.items()
    }
    presence["b"][1] = 0.7
    stored.save(
        (name, "validation", SheetPrediction(values, presence[name]), "unet 1a2b")
        for name, values in maps.items()
    )
    assert stored.exists()
    loaded = stored.load()
    assert isinstance(loaded.pixels.base, np.memmap)
    assert list(loaded) == list(maps)
    assert loaded.index["split"].unique().tolist() == ["validation"]
    assert loaded.attrs == {"models": {"segmenter": "unet 1a2b"}}
    for name, values in maps.items():
        np.testing.assert_array_equal(loaded[name], values)
        np.testing.assert_array_equal(loaded.prediction_of(name).maps, values)
        # To the last bit: a class is emptied below a cut.
        found = loaded.prediction_of(name).presence
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, presence[name])
    with pytest.raises(KeyError, match="absent"):
        loaded["absent"]
    assert "absent" not in loaded


def test_no_probability_maps(tmp_path):
    stored = ProbabilityMapsDataset(filepath=str(tmp_path / "maps"))
    stored.save(iter(()))
    assert len(stored.load()) == 0


def test_maps_that_were_never_finished_do_not_count(tmp_path):
    stored = ProbabilityMapsDataset(filepath=str(tmp_path / "maps"))
    found = SheetPrediction(np.zeros((2, 2, 1), np.uint8), np.ones(1, np.float32))
    stored.save([("a", "validation", found, "unet 1a2b")])

    def killed():
        yield "b", "validation", found, "unet 1a2b"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stored.save(killed())
    assert not stored.exists()


# === Packages, figures, models ===


def test_model_package(tmp_path):
    package = ModelPackageDataset(filepath=str(tmp_path / "package"))
    assert not package.exists()
    settings = ClassPostprocessing(threshold=0.5, min_area_px=4)
    manifest = Manifest(
        class_names=("crack",),
        gate=None,
        segmenter=SegmenterSpec(name="unet", file="s.keras", postprocessing=(settings,)),
    )
    package.save(PackageContents(manifest, {"s.keras": lambda path: path.write_bytes(b"net")}))
    assert package.exists()
    loaded = package.load()
    assert loaded.path("s.keras").read_bytes() == b"net"
    assert loaded.manifest.class_names == ("crack",)
    (tmp_path / "package" / "s.keras").write_bytes(b"not")
    with pytest.raises(DatasetError, match="damaged"):
        package.load()


def test_figure(tmp_path):
    from matplotlib.figure import Figure

    figure = FigureDataset(filepath=str(tmp_path / "sub" / "roc.png"))
    assert not figure.exists()
    drawn = Figure(figsize=(2, 1))
    drawn.subplots().plot([0, 1])
    figure.save(drawn)
    assert figure.load() == tmp_path / "sub" / "roc.png"
    assert base64.b64decode(str(figure.preview())).startswith(PNG)
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["roc.png"]


def tiny(value: float) -> keras.Model:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="out")])
    model.set_weights([np.full((2, 1), value), np.zeros(1)])
    return model


def models(path: Path, load: str | None, save: str | None) -> KerasModelDataset:
    return KerasModelDataset(filepath=str(path / "m.keras"), version=Version(load, save))


def test_models_are_versioned(tmp_path):
    first, second = "2026-01-01T00.00.00.000Z", "2026-01-02T00.00.00.000Z"
    assert not models(tmp_path, None, None).exists()
    models(tmp_path, None, first).save(tiny(1))
    models(tmp_path, None, second).save(tiny(2))
    assert models(tmp_path, None, None).exists()
    assert models(tmp_path, None, None).load().get_weights()[0][0, 0] == 2
    assert models(tmp_path, first, None).load().get_weights()[0][0, 0] == 1
    found = sorted(path.name for path in (tmp_path / "m.keras" / first).iterdir())
    assert found == ["m.keras"]


def test_a_model_that_cannot_be_read_back_is_not_kept(tmp_path):
    class Broken:
        def save(self, path: Path) -> None:
            path.write_bytes(b"broken")

    stored = KerasModelDataset(filepath=str(tmp_path / "m.keras"))
    with pytest.raises(DatasetError, match="cannot load the model"):
        stored.save(Broken())
    assert list(tmp_path.iterdir()) == []


def test_a_placeholder_of_an_earlier_release_is_told(tmp_path):
    (tmp_path / "m.keras").write_bytes(b"no model: every sheet has a defect")
    with pytest.raises(DatasetError, match=r"m\.keras holds no model: an earlier release"):
        KerasModelDataset(filepath=str(tmp_path / "m.keras")).load()


def test_code_in_a_model_is_refused(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x + 1)])
    model.save(tmp_path / "m.keras")
    with pytest.raises(DatasetError, match="cannot load the model"):
        KerasModelDataset(filepath=str(tmp_path / "m.keras")).load()
