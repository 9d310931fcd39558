from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from tests.support.data import CONFIG, Data
from tests.support.operating_points import operating_point, rates
from tests.support.trained import Models, gate_profile, segmenter_profile, stand_in

from steel_defects import tables as schemas
from steel_defects.datasets.models import PackageContents
from steel_defects.datasets.probability_maps import ProbabilityMapsDataset
from steel_defects.decision.fusion import StackedScore, Stacking
from steel_defects.decision.operating_point import OperatingPointConfig
from steel_defects.decision.postprocessing import (
    ClassPostprocessing,
    Postprocessing,
    PostprocessingGrid,
)
from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.pooled import POOLED
from steel_defects.labels import rle
from steel_defects.models.config import NetworkConfig
from steel_defects.models.trained import ModelSelection, made_from, network_digest, stamp_of
from steel_defects.package.folder import LEARNED_SHEETS, read_package, write_package
from steel_defects.package.learned import learned_by
from steel_defects.pipelines.segmentation import comparison_nodes, nodes
from steel_defects.prediction.inference import SegmenterPredictionConfig
from steel_defects.tables.declared import OUT_OF_FOLD_PREDICTIONS, PREDICTIONS
from steel_defects.training.config import SegmentationConfig

pytestmark = pytest.mark.slow

TRAINING = SegmentationConfig(
    seed=1,
    epochs=1,
    steps_per_epoch=2,
    batch_size=4,
    learning_rate=0.001,
    patience=1,
    precision="float32",
    eager=True,
)
POINT = OperatingPointConfig(target_recall=0.9, target_false_positive_rate=0.1)
STACKED = StackedScore(gate_weight=1, segmenter_weight=0.5, bias=0, threshold=0.2)
ONCE, HALF_SIZE = SegmenterPredictionConfig(), SegmenterPredictionConfig(map_shrink=2)
FLIPPED = SegmenterPredictionConfig(tta="flips")
NETWORK = NetworkConfig({"name": "unet", "filters": (2, 4)})
WITHOUT_GATE = comparison_nodes.score_by_gate(None)


def tables(data: Data) -> tuple[object, ...]:
    return data.folder, data.sheets, data.annotations, data.splits, data.tiles


def train(data: Data, checkpoints: Path, training=TRAINING, tiles=None):
    return nodes.train_segmenter(
        *tables(data)[:-1], data.tiles if tiles is None else tiles, Path(), checkpoints, CONFIG,
        training, ONCE, NETWORK,
    )  # fmt: skip


class Seer:
    """A segmenter that knows the truth: half certain outside, fully inside the true masks."""

    name = "unet"

    def __init__(self, data: Data) -> None:
        self.maps = {}
        masks = data.annotations.set_index(["sheet_id", "class_id"])["rle"].to_dict()
        for sheet_id, image in data.folder.items():
            classes = [rle.decode(masks.get((sheet_id, k), ""), 64, 256) for k in range(1, 5)]
            self.maps[image.tobytes()] = 0.1 + 0.9 * np.stack(classes, axis=-1)

    def predict_on_batch(self, sheets: np.ndarray) -> np.ndarray:
        return self.maps[sheets[0, ..., 0].astype(np.uint8).tobytes()][None]

    def get_weights(self) -> list[np.ndarray]:
        return []


@pytest.fixture(scope="module")
def seer(data: Data) -> Seer:
    return Seer(data)


@pytest.fixture(scope="module")
def maps(data: Data, seer: Seer, tmp_path_factory):
    dataset = ProbabilityMapsDataset(filepath=str(tmp_path_factory.mktemp("maps")))
    dataset.save(
        nodes.predict_probabilities(seer, data.folder, data.sheets, data.splits, HALF_SIZE)
    )
    return dataset.load()


@pytest.fixture(scope="module")
def settings(data: Data, maps) -> Postprocessing:
    grid = PostprocessingGrid(thresholds=(0.05, 0.5), min_areas_px=(0, 8000))
    return nodes.tune_postprocessing(
        maps, data.sheets, data.annotations, data.splits, CONFIG, HALF_SIZE, grid, WITHOUT_GATE
    )


@pytest.fixture(scope="module")
def predictions(data: Data, seer: Seer, settings) -> pd.DataFrame:
    return nodes.predict_masks(
        seer, settings, data.folder, data.sheets, data.splits, CONFIG, ONCE, WITHOUT_GATE,
    )  # fmt: skip


def of_split(data: Data, split: str) -> set[str]:
    return set(data.splits.loc[data.splits["split"] == split, "sheet_id"])


def test_training(data: Data, tmp_path):
    model, history, facts = train(data, tmp_path)
    schemas.history.validate(history)
    assert model.output_shape == (None, None, None, 4)
    assert facts["parameters"] == model.count_params()
    assert list(tmp_path.rglob("*.npz")) == []


def test_windows_from_the_cache_train_the_same_weights(data: Data, tmp_path):
    weights = []
    for cache in (False, True):
        config = TRAINING.model_copy(update={"windows_per_sheet": 2, "cache": cache})
        model, _, _ = train(data, tmp_path / "checkpoints", config)
        weights.append(model.get_weights())
        assert (tmp_path / "gray_sheets" / "gray_sheets.bin").is_file() == cache
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_split_without_tiles_is_said(data: Data, tmp_path):
    tiles = data.tiles[data.tiles["split"] != "validation"]
    with pytest.raises(SteelDefectsError, match="training or the validation split has no sheet"):
        train(data, tmp_path, tiles=tiles)


def test_maps_are_of_half_size_and_for_tuning_alone(data: Data, maps):
    assert set(maps) == of_split(data, "validation") | of_split(data, "calibration")
    for values in maps.values():
        assert values.shape == (32, 128, 4)
        assert values.dtype == np.uint8


@pytest.mark.parametrize("shrink", [1, 2])
def test_settings_suit_the_size_at_which_they_are_applied(data: Data, seer: Seer, shrink):
    """A region of 84 pixels, and a stray one of 36: half as high and wide they are 21 and 9."""
    sheet_id = sorted(of_split(data, "validation"))[0]
    image = data.folder[sheet_id]
    truth, stray = np.zeros((2, *image.shape), np.uint8)
    truth[10:16, 20:34], stray[40:46, 100:106] = 1, 1
    annotations = pd.DataFrame({"sheet_id": [sheet_id], "class_id": 1, "rle": rle.encode(truth)})
    only = data.splits[data.splits["sheet_id"] == sheet_id]
    config = SegmenterPredictionConfig(map_shrink=shrink)

    class Strays(Seer):
        def predict_on_batch(self, sheets: np.ndarray) -> np.ndarray:
            found = np.zeros((1, *image.shape, 4), np.float32)
            found[0, ..., 0] = truth | stray
            return found

    strays = Strays(data)
    ((_, _, found, _),) = nodes.predict_probabilities(
        strays, data.folder, data.sheets, only, config
    )
    assert found.maps.shape[:2] == (64 // shrink, 256 // shrink)
    stored = type(
        "Stored", (), {"prediction_of": lambda *_: found, "__len__": lambda _: 1, "attrs": {}}
    )()
    grid = PostprocessingGrid(thresholds=(0.5,), min_areas_px=(36, 37, 84, 85))
    chosen = nodes.tune_postprocessing(
        stored, data.sheets, annotations, only, CONFIG, config, grid, WITHOUT_GATE
    )
    assert chosen.classes[0].min_area_px == 37
    assert chosen.classes[0].validation_dice == 1.0
    table = nodes.predict_masks(
        strays, chosen, data.folder, data.sheets, only, CONFIG, config, WITHOUT_GATE,
    )  # fmt: skip
    assert table["area_px"].tolist() == [84, 0, 0, 0]
    assert table["rle"][0] == rle.encode(truth)


def test_tuning_takes_what_suits_the_validation_sheets(data: Data, settings):
    assert len(settings.classes) == 4 and settings.models
    rows = data.annotations["sheet_id"].isin(of_split(data, "validation"))
    for class_id in set(data.annotations.loc[rows, "class_id"]):
        found = settings.classes[class_id - 1]
        # 0.05 would take the whole sheet, and 8000 pixels would leave nothing.
        assert (found.threshold, found.min_area_px) == (0.5, 0)
        assert found.validation_dice > 0.9


def test_what_the_folds_chose_is_taken_over_and_measured_on_validation(data: Data, maps, settings):
    chosen = ClassPostprocessing(
        threshold=0.5, seed_threshold=0.6, min_area_px=8000, presence_cut=0.3, validation_dice=0.123
    )
    folds = Postprocessing(classes=(chosen,) * 4)
    grid = PostprocessingGrid(thresholds=(0.05,), min_areas_px=(0,))
    found = nodes.tune_postprocessing(
        maps, data.sheets, data.annotations, data.splits, CONFIG, HALF_SIZE, grid,
        WITHOUT_GATE, folds,
    )  # fmt: skip
    assert found.models == settings.models
    for class_id, values in enumerate(found.classes, start=1):
        dice = values.validation_dice
        assert values.model_copy(update={"validation_dice": 0.123}) == chosen
        # Nothing is left at 8,000 pixels: what is right then are the sheets without the class.
        rows = data.annotations["class_id"].eq(class_id)
        having = set(data.annotations.loc[rows, "sheet_id"]) & of_split(data, "validation")
        assert dice == pytest.approx(1 - len(having) / len(of_split(data, "validation")))


def test_masks_of_sheets_that_training_did_not_see(data: Data, predictions):
    schemas.predictions.validate(predictions)
    assert predictions["class_name"].tolist()[:4] == list(CONFIG.class_names)
    # Those of earlier releases are read, too.
    schemas.predictions.validate(predictions.drop(columns="class_name"))
    assert set(predictions["sheet_id"]).isdisjoint(of_split(data, "train"))
    assert len(predictions) == 4 * predictions["sheet_id"].nunique()
    assert (predictions["area_px"] == predictions["rle"].map(rle.area)).all()


# A gate that clears every sheet, the defective ones too.
def gate_scores(data: Data, repeats: tuple[int | None, ...] = (None,)) -> pd.DataFrame:
    scores = pd.concat([data.sheets[["sheet_id"]].assign(repeat=r, score=0.1) for r in repeats])
    point = operating_point(lower_threshold=0.2)
    return comparison_nodes.score_by_gate(
        stand_in("vgg16", scores=scores, operating_point=point, profile=gate_profile())
    )


def test_the_scores_of_the_chosen_gate(data: Data):
    table = gate_scores(data, (None, 0))
    schemas.gate_scores.validate(table)
    assert len(table) == 2 * len(data.sheets)
    assert (table["score"] == 0.1).all()
    assert table["cleared"].all()
    schemas.gate_scores.validate(WITHOUT_GATE)
    assert WITHOUT_GATE.empty


def compare(data: Data, predictions: pd.DataFrame, scores: pd.DataFrame, stacking=None):
    stacking = stacking or Stacking()
    models = Models(
        stand_in("unet", predictions=predictions, profile=segmenter_profile(), stacking=stacking)
    )
    table, classes = comparison_nodes.compare_segmenters(
        models.selection, models, data.sheets, data.annotations, CONFIG, POINT, scores
    )
    schemas.segmentation_comparison.validate(table)
    # Tables of earlier releases are read, too.
    schemas.segmentation_comparison.validate(table.drop(columns=list(POOLED)))
    schemas.class_comparison.validate(classes)
    return table, classes


def test_comparison_alone_and_behind_a_gate(data: Data, predictions):
    test = of_split(data, "test")
    defective = set(data.annotations["sheet_id"]) & test
    table, classes = compare(data, predictions, gate_scores(data))
    row = table.iloc[0]
    assert row["sheets"] == len(test)
    positives = data.annotations["sheet_id"].isin(test).sum()
    assert row["all_empty_dice"] == pytest.approx(1 - positives / (4 * len(test)))
    assert row["mean_dice_gated"] == pytest.approx(row["all_empty_dice"])
    assert row["mean_dice"] > row["mean_dice_gated"]
    assert row["mean_iou"] <= row["mean_dice"]
    assert (row[list(POOLED)] == 1).all()  # every pixel is right
    assert classes["positives"].sum() == positives
    assert defective
    open_gate, _ = compare(data, predictions, WITHOUT_GATE)
    assert open_gate["mean_dice_gated"].item() == pytest.approx(row["mean_dice"])


def test_gate_and_segmenter_decide_together(data: Data, predictions, settings):
    scores = gate_scores(data).assign(cleared=False)
    evidence = nodes.join_gate_scores(predictions, scores, data.sheets)
    assert len(evidence) == predictions["sheet_id"].nunique()
    assert (evidence["gate"] == 0.1).all()
    seen = evidence.set_index("sheet_id")["presence"]
    assert seen.to_dict() == predictions.groupby("sheet_id")["score"].max().to_dict()
    # Sixteen sheets are too few to fit anything.
    few = nodes.stack_with_gate(predictions, scores, data.sheets, POINT)
    assert few == Stacking(models=settings.models)
    assert nodes.stack_with_gate(predictions, WITHOUT_GATE, data.sheets, POINT) == few

    all_pass = StackedScore(gate_weight=1, segmenter_weight=0, bias=0, threshold=0.2)
    table, _ = compare(data, predictions, scores, Stacking(stacked=all_pass))
    assert table["mean_dice_gated"].item() == pytest.approx(table["all_empty_dice"].item())
    assert table["dice_on_positives_gated"].item() == 0
    untouched, _ = compare(data, predictions, scores)
    assert untouched["mean_dice_gated"].item() == untouched["mean_dice"].item()
    assert untouched["dice_on_positives_gated"].item() == untouched["dice_on_positives"].item()


def test_stacking_is_fitted_to_many_sheets():
    count = 60
    sheets = pd.DataFrame({"sheet_id": [f"{n}.jpg" for n in range(count)]})
    sheets["has_defect"], sheets["group_id"] = sheets.index % 2 == 0, sheets["sheet_id"]
    shown = np.where(sheets["has_defect"], 0.9, 0.1)
    scores = sheets[["sheet_id"]].assign(repeat=None, score=shown, cleared=False)
    predictions = PREDICTIONS.typed(
        (row.sheet_id, "test" if n < 10 else "validation", None, None, k, "pit", "", 0, p / k)
        for n, (row, p) in enumerate(zip(sheets.itertuples(), shown, strict=True))
        for k in (1, 2)
    )
    scores = scores.astype({"repeat": "Int64"})
    found = nodes.stack_with_gate(predictions, scores, sheets, POINT)
    # What the test split holds is for the test alone.
    assert found.operating_point.defective_sheets == 25
    assert found.stacked.clears(0.1, 0.1)
    assert not found.stacked.clears(0.9, 0.9)


def test_comparison_out_of_fold_stands_beside_that_on_test(data: Data, seer: Seer, settings):
    kept = data.splits.assign(fold=data.splits["fold"].str[0])
    unseen = nodes.predict_masks(
        seer, settings, data.folder, data.sheets, kept.assign(split="validation"), CONFIG, ONCE,
    )  # fmt: skip
    folds = unseen["sheet_id"].map(kept.set_index("sheet_id")["fold"]).astype("Int64")
    # A mask of one sheet is lost: the held-out rows alone must not notice.
    lost = unseen["rle"].where(unseen["sheet_id"] != sorted(of_split(data, "train"))[0], "")
    splits = unseen["sheet_id"].map(data.splits.set_index("sheet_id")["split"])
    out_of_fold = unseen.assign(repeat=0, fold=folds, rle=lost, split=splits)
    joined = nodes.predict_masks(
        seer, settings, data.folder, data.sheets, data.splits, CONFIG, ONCE,
        out_of_fold_predictions=OUT_OF_FOLD_PREDICTIONS.typed(out_of_fold),
    )  # fmt: skip
    schemas.predictions.validate(joined)
    table, classes = compare(data, joined, WITHOUT_GATE)
    alone, alone_classes = compare(data, joined[joined["repeat"].isna()], WITHOUT_GATE)
    assert table["evaluation"].tolist() == ["test", "out_of_fold"]
    pd.testing.assert_frame_equal(table.iloc[:1][list(alone)], alone, check_dtype=False)
    pd.testing.assert_frame_equal(classes, alone_classes)
    assert table["sheets"].tolist() == [len(of_split(data, "test")), len(data.sheets)]
    assert table["folds"][1] == 2
    assert table["mean_dice_error"][1] > 0
    for name in POOLED:
        assert table[f"{name}_low"][1] < table[name][1] < table[f"{name}_high"][1]
    assert table["mean_dice_gated"][1] == pytest.approx(table["mean_dice"][1])
    # A gate without scores for the repeat says nothing of it.
    gated, _ = compare(data, joined, gate_scores(data))
    assert np.isnan(gated["mean_dice_gated"][1])
    assert gated["mean_dice_gated"][0] < 1


# === A training that was killed before its thresholds were chosen ===


class Retrained(Seer):
    """The same architecture after another training."""

    def get_weights(self) -> list[np.ndarray]:
        return [np.ones(3)]


ANEW = "belongs to other weights of the {} than .*; run again with --from-nodes={}$"


def test_settings_of_an_earlier_segmenter_are_refused(data: Data, settings):
    with pytest.raises(SteelDefectsError, match=ANEW.format("segmenter", "unet.predict_prob.*")):
        nodes.predict_masks(
            Retrained(data), settings, data.folder, data.sheets, data.splits, CONFIG, ONCE,
        )  # fmt: skip


def of_gate(digest: str) -> dict[str, dict[str, str]]:
    return {"models": {"gate": f"vgg16 {digest}"}}


def test_masks_and_scores_of_another_gate_are_not_stacked(data: Data, predictions):
    scores = gate_scores(data)
    scores.attrs = of_gate("new")
    earlier = predictions.copy()
    earlier.attrs = {"models": predictions.attrs["models"] | of_gate("old")["models"]}
    with pytest.raises(SteelDefectsError, match=ANEW.format("gate", "vgg16.score_sheets")):
        nodes.stack_with_gate(earlier, scores, data.sheets, POINT)
    found = nodes.stack_with_gate(predictions, scores, data.sheets, POINT)
    assert found.models == predictions.attrs["models"] | of_gate("new")["models"]


@pytest.mark.parametrize("stale", ["profile", "scores", "point"])
def test_thresholds_of_an_earlier_gate_are_refused(data: Data, stale):
    digests = dict.fromkeys(("profile", "scores", "point"), "new") | {stale: "old"}
    scores = data.sheets[["sheet_id"]].assign(repeat=None, score=0.1)
    scores.attrs = of_gate(digests["scores"])
    with pytest.raises(SteelDefectsError, match=ANEW.format("gate", "vgg16.score_sheets")):
        point = operating_point(lower_threshold=0.2, **of_gate(digests["point"]))
        gate = stand_in(
            "vgg16",
            scores=scores,
            operating_point=point,
            profile=gate_profile(**of_gate(digests["profile"])),
        )
        comparison_nodes.score_by_gate(gate)


def select(data: Data, wanted: str, *models: object) -> ModelSelection:
    selection, reference = comparison_nodes.select_segmenter(
        wanted, Models(*models), data.sheets, data.annotations, data.splits, CONFIG, ONCE, GRID,
        WITHOUT_GATE,
    )  # fmt: skip
    assert reference == selection.chosen
    return selection


def test_the_segmenter_is_the_best_on_validation(data: Data):
    asked = nodes.asked_of_segmenters(CONFIG, ONCE, GRID)
    same = made_from(data.sheets, data.annotations, data.splits, asked, WITHOUT_GATE)
    unet, fpn = (stand_in(name, q, same) for name, q in (("unet", 0.8), ("fpn", 0.85)))
    assert select(data, "best", unet, fpn).name == "fpn"
    assert select(data, "unet", unet, fpn).name == "unet"
    reason = select(data, "best", unet).reason
    assert reason.startswith("no other was trained; highest mean Dice on validation")


def test_segmenters_of_another_gate_or_other_parameters_are_not_compared(data: Data):
    given = data.sheets, data.annotations, data.splits
    asked = nodes.asked_of_segmenters(CONFIG, ONCE, GRID)
    unet = stand_in("unet", 0.8, made_from(*given, asked, WITHOUT_GATE))
    gated = stand_in("fpn", 0.9, made_from(*given, asked, gate_scores(data)))
    flipped = nodes.asked_of_segmenters(CONFIG, FLIPPED, GRID)
    averaged = stand_in("deeplab_v3_plus", 0.9, made_from(*given, flipped, WITHOUT_GATE))
    selection = select(data, "best", unet, gated, averaged)
    assert selection.name == "unet"
    assert selection.excluded == {
        "fpn": "made from another gate", "deeplab_v3_plus": "made from other parameters",
    }  # fmt: skip


GRID = PostprocessingGrid(thresholds=(0.5,), min_areas_px=(0,))


def tiny_model(outputs: int, name: str) -> keras.Model:
    sheet = keras.Input((8, 16, 1))
    maps = keras.layers.Conv2D(outputs, 1, activation="sigmoid")(sheet)
    return keras.Model(sheet, maps, name=name)


@pytest.mark.parametrize("gate", [None, "vgg16"])
def test_the_package_holds_what_was_chosen(
    data: Data, settings, predictions, tmp_path: Path, gate, caplog
):
    made = made_from(data.sheets, data.annotations, data.splits, {})
    table = pd.DataFrame(
        [{"architecture": "unet", "mean_dice": 0.9} | segmenter_profile().model_dump()]
    )
    scores = data.splits[["sheet_id"]].assign(
        split=data.splits["split"].replace("validation", "calibration"),
        score=0.5, has_defect=True, repeat=pd.array([None] * 16, dtype="Int64"),
    )  # fmt: skip
    networks = {"segmenter": tiny_model(4, "unet"), "gate": tiny_model(1, "vgg16")}
    scores.attrs = stamp_of(gate=networks["gate"])
    point = operating_point(
        lower_threshold=0.2, upper_threshold=0.8, review_share=None, temperature=1.5, bias=-0.3,
        test=rates(review_share=None), evidence="in words", **scores.attrs,
    )  # fmt: skip
    stamp = stamp_of(**networks)
    unet = stand_in(
        "unet", made_from=made, postprocessing=settings.model_copy(update=stamp),
        segmenter=networks["segmenter"],
        stacking=Stacking(
            stacked=STACKED, operating_point=point.model_copy(update={"recall_bound": 0.9}), **stamp
        ),
        predictions=predictions,
    )  # fmt: skip
    vgg16 = stand_in(
        "vgg16", made_from=made, classifier=networks["gate"], operating_point=point, scores=scores
    )

    def build() -> PackageContents:
        return comparison_nodes.build_package(
            data.folder, data.sheets, data.splits, data.inventory, unet, table, CONFIG, FLIPPED,
            POINT, 0.5, vgg16 if gate else None,
        )  # fmt: skip

    with pytest.raises(SteelDefectsError, match=ANEW.format("segmenter", "unet.predict_prob.*")):
        unet.segmenter = tiny_model(4, "unet")
        build()
    unet.segmenter = networks["segmenter"]
    if gate:
        with pytest.raises(SteelDefectsError, match=ANEW.format("gate", "vgg16.score_sheets")):
            vgg16.classifier = tiny_model(1, "vgg16")
            build()
    vgg16.classifier = networks["gate"]
    contents = build()
    write_package(tmp_path / "package", contents.manifest, contents.writers)
    package = read_package(tmp_path / "package")
    manifest = package.manifest
    files = {"segmenter.keras", LEARNED_SHEETS}
    assert set(manifest.files) == ({"gate.keras"} if gate else set()) | files
    held_out = data.sheets["sheet_id"].isin(data.splits.query("split == 'test'")["sheet_id"])
    learned = learned_by(package)
    assert [digest[:16] in learned for digest in data.sheets["sha256"]] == (~held_out).tolist()
    assert held_out.any() and "does not say which sheets" not in caplog.text
    (vgg16 if gate else unet).record = unet.record.model_copy(
        update={"made_from": made.model_copy(update={"splits": "other"})}
    )
    assert LEARNED_SHEETS not in build().writers
    assert "does not say which sheets it learned from" in caplog.text
    assert manifest.class_names == CONFIG.class_names
    assert manifest.mm_per_px == 0.5
    assert manifest.segmenter.tta == "flips"
    assert len(manifest.reference["brightness"]) == 101
    assert ("gate_score_defective" in manifest.reference) == bool(gate)
    assert "gate_score_clean" not in manifest.reference  # there is no such sheet
    assert manifest.metrics["segmenter"]["mean_dice"] == 0.9
    # Times differ between two runs of one seed and stay out.
    assert "training_seconds" not in manifest.metrics["segmenter"]
    assert manifest.stacked == (STACKED if gate else None)
    if gate:
        assert manifest.gate.input_size == (8, 16)
        assert (manifest.gate.lower_threshold, manifest.gate.temperature) == (0.2, 1.5)
        assert manifest.gate.bias == -0.3
        assert manifest.metrics["gate"]["evidence"] == "in words"
        assert "models" not in manifest.metrics["gate"]
        assert manifest.metrics["gate_test"]["recall"] == 0.98
        assert manifest.metrics["gate_test"]["review_share"] is None
        assert manifest.metrics["cascade"]["recall_bound"] == 0.9
        assert manifest.recalls.evidence_from == manifest.recalls.joint_evidence_from
        assert manifest.recalls.steps[-1].lower_threshold == 0.5  # of all sheets
    else:
        assert manifest.gate is None
        assert manifest.recalls is None
    assert manifest.networks == {
        name: network_digest(networks[name]) for name in ("gate", "segmenter")[not gate :]
    }
