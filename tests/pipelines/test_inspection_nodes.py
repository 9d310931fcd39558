import logging
import shutil
from dataclasses import replace

import keras
import pandas as pd
import pytest
from tests.support.data import CONFIG, Data

from steel_defects import tables as schemas
from steel_defects.data.config import PositionsConfig
from steel_defects.datasets.joined_tables import JoinedCSVDataset, JoinedParquetDataset
from steel_defects.decision.postprocessing import ClassPostprocessing
from steel_defects.decision.recall_table import RecallStep, RecallTable
from steel_defects.drawing.outlines import class_shades
from steel_defects.errors import SteelDefectsError
from steel_defects.inspection.config import InspectionConfig
from steel_defects.inspection.sources import FolderSource
from steel_defects.package.folder import ModelPackage, write_package
from steel_defects.package.manifest import GateSpec, Manifest, SegmenterSpec
from steel_defects.pipelines.inspection import nodes
from steel_defects.pipelines.inspection.overlays import ACCEPTED
from steel_defects.reporting.inspection_page import InspectionPage
from steel_defects.tables.declared import SHEETS_TO_CHECK

RULES = InspectionConfig(
    severity_area_px={"minor": 0},
    black_share=0.98,
    saturated_share=0.5,
    focus_share=0.0,
    part_sheets=5,
)


def constant(inputs: keras.KerasTensor, outputs: int, logit: float) -> keras.KerasTensor:
    """A layer whose output does not depend on the sheet."""
    return keras.layers.Conv2D(
        outputs, 1, activation="sigmoid", kernel_initializer="zeros",
        bias_initializer=keras.initializers.Constant(logit),
    )(inputs)  # fmt: skip


@pytest.fixture(params=[-2.0, 2.0], ids=["clears", "flags"])
def package(request, tmp_path) -> ModelPackage:
    """A gate that gives every sheet 0.12 or 0.88, and a segmenter that marks all of class 4."""
    sheet = keras.Input((8, 32, 1))
    score = keras.layers.GlobalAveragePooling2D()(constant(sheet, 1, request.param))
    gate = keras.Model(sheet, score)
    strip = keras.Input((None, None, 1))
    maps = [constant(strip, 3, -4.0), constant(strip, 1, 4.0)]
    segmenter = keras.Model(strip, keras.layers.Concatenate()(maps))
    manifest = Manifest(
        class_names=CONFIG.class_names,
        gate=GateSpec(
            name="mobilenet_v2", file="gate.keras", input_size=(8, 32), temperature=1.0,
            lower_threshold=0.5, upper_threshold=0.9,
        ),
        segmenter=SegmenterSpec(
            name="unet", file="segmenter.keras",
            postprocessing=(ClassPostprocessing(threshold=0.5, min_area_px=0),) * 4,
        ),
    )  # fmt: skip
    return write_package(
        tmp_path / "package", manifest, {"gate.keras": gate.save, "segmenter.keras": segmenter.save}
    )


@pytest.fixture
def run(data: Data, package: ModelPackage, tmp_path):
    """Run the first two nodes with the sheets, and load what the catalog would."""

    def call(table: pd.DataFrame, config: InspectionConfig, positions: PositionsConfig):
        source = FolderSource(data.folder.root)
        jobs = tmp_path / "jobs"
        job = nodes.inspect_sheets(source, package, table, jobs, config, positions)
        *tables, summary, timing = nodes.collect_results(job, jobs, source, package, config)
        datasets = [
            JoinedParquetDataset(filepath=str(tmp_path / "verdicts.parquet")),
            JoinedParquetDataset(filepath=str(tmp_path / "defects.parquet")),
            JoinedCSVDataset(
                filepath=str(tmp_path / "submission.csv"),
                load_args={"dtype": str, "keep_default_na": False},
            ),
        ]
        for dataset, table in zip(datasets, tables, strict=True):
            dataset.save(table)
        return *(dataset.load() for dataset in datasets), summary, timing

    return call


def test_a_folder_from_sheets_to_overlays(data: Data, package: ModelPackage, run, tmp_path):
    verdicts, defects, submission, summary, timing = run(pd.DataFrame(), RULES, PositionsConfig())
    schemas.verdicts.validate(verdicts)
    schemas.defects.validate(defects)
    schemas.submission.validate(submission)
    assert verdicts["sheet_id"].tolist() == data.folder.sheet_ids
    assert verdicts[["coil_id", "position_mm"]].isna().all(axis=None)
    assert len(submission) == 4 * len(verdicts)
    assert summary["not_looked_at"] == ""
    assert timing["sheets_per_second"] > 0
    overlays = nodes.draw_inspection_overlays(
        summary,
        tmp_path / "jobs",
        FolderSource(data.folder.root),
        package,
        SHEETS_TO_CHECK.empty(),
        RULES,
    )
    if summary["cleared_by_gate"]:
        assert summary["verdicts"] == {"accept": 16, "review": 0, "reject": 0}
        assert defects.empty
        assert len(overlays) == ACCEPTED
        assert all(name.startswith("accept_") for name in overlays)
    else:
        assert summary["verdicts"] == {"accept": 0, "review": 0, "reject": 16}
        assert defects["class_id"].unique().tolist() == [4]
        assert (defects["area_px"] == 64 * 256).all()
        assert len(overlays) == 16
    picture = next(iter(overlays.values()))()
    assert picture.shape[1] == 3 * 256 and len(picture) > 3 * 64  # enlarged, below a banner
    # Green where a defect was marked, gray elsewhere.
    shade = (picture == class_shades(4)[3]).all(axis=2)
    assert shade.any() == (not summary["cleared_by_gate"])


@pytest.mark.parametrize("package", [2.0], indirect=True)
def test_another_recall_judges_anew_with_its_thresholds(
    data: Data, package: ModelPackage, tmp_path, caplog
):
    steps = [RecallStep(recall_bound=0.9, recall=1.0, lower_threshold=0.95)]
    steps.append(RecallStep(recall_bound=0.96, recall=1.0, lower_threshold=0.5))
    table = RecallTable(evidence_from="out_of_fold", defective_sheets=86, steps=tuple(steps))
    package = replace(package, manifest=package.manifest.model_copy(update={"recalls": table}))

    def judged(target: float | None) -> tuple[dict, pd.DataFrame]:
        config = RULES.model_copy(update={"target_recall": target})
        source, jobs = FolderSource(data.folder.root), tmp_path / "jobs"
        nothing = pd.DataFrame()
        job = nodes.inspect_sheets(source, package, nothing, jobs, config, PositionsConfig())
        verdicts, *_, summary, _ = nodes.collect_results(job, jobs, source, package, config)
        return summary, pd.concat(map(pd.read_parquet, verdicts))

    with caplog.at_level(logging.INFO):
        (as_built, _), (looser, verdicts) = judged(None), judged(0.9)
    assert (as_built["verdicts"]["reject"], as_built["recall"]) == (16, None)
    assert (looser["verdicts"]["accept"], looser["recall"]["recall_bound"]) == (16, 0.9)
    assert verdicts["thresholds_id"].unique().tolist() == [looser["thresholds_id"]]
    assert looser["thresholds_id"] != as_built["thresholds_id"]
    assert looser["job"] != as_built["job"]
    assert caplog.messages[-1].startswith("at least 90.0 % of defective sheets are not cleared")
    assert judged(0.95)[0]["job"] == as_built["job"]  # the thresholds are the same
    with pytest.raises(SteelDefectsError, match="proves at most 0.960"):
        judged(0.97)


@pytest.mark.parametrize("package", [2.0], indirect=True)
def test_coil_and_position_come_along(data: Data, run, caplog):
    names = data.folder.sheet_ids
    csv = pd.DataFrame(
        {"ImageId": [names[3], "absent.jpg", "gone.jpg"], "coil_id": ["K", "L", "M"]}, dtype="str"
    )
    pattern = PositionsConfig(pattern=r"_(?P<position_mm>\d+)")
    with caplog.at_level(logging.WARNING):
        verdicts, defects, *_ = run(csv, RULES, pattern)
    schemas.verdicts.validate(verdicts)
    schemas.defects.validate(defects)
    for table in (verdicts, defects):  # each sheet has one defect, from its left edge on
        assert table["sheet_id"].tolist() == names
        assert table["position_mm"].tolist() == [float(name[6:11]) for name in names]
        assert table.loc[table["coil_id"].notna(), ["sheet_id", "coil_id"]].values.tolist() == [
            [names[3], "K"]
        ]
    warned = [record.getMessage() for record in caplog.records]
    assert [text for text in warned if "positions of sheets" in text] == [
        "2 findings in the positions of sheets; the first: positions.csv, row 2 (absent.jpg), "
        "row for a sheet that is not there"
    ]


def test_what_is_not_looked_at_stands_in_the_summary(data: Data, package: ModelPackage, tmp_path):
    shutil.copytree(data.folder.root, tmp_path / "sheets")
    (tmp_path / "sheets" / "train_images" / "film.gif").write_bytes(b"GIF89a")
    source, jobs = FolderSource(tmp_path / "sheets"), tmp_path / "jobs"
    job = nodes.inspect_sheets(source, package, pd.DataFrame(), jobs, RULES, PositionsConfig())
    *_, summary, _ = nodes.collect_results(job, jobs, source, package, RULES)
    assert summary["not_looked_at"] == "1 .gif"
    assert "Not looked at: 1 .gif." in InspectionPage(summary, {}).warnings
