"""An earlier run beside the newest, through Kedro, on tables that stand in for two trainings."""

from collections.abc import Callable

import cv2
import numpy as np
import pandas as pd
import pytest
from kedro.framework.session import KedroSession
from kedro.io import DataCatalog
from tests.support.operating_points import operating_point
from tests.support.projects import ROOT, Project

from steel_defects.decision.fusion import Stacking
from steel_defects.errors import SteelDefectsError
from steel_defects.models.trained import ModelReference

NAMES = ["a.png", "b.png", "c.png", "d.png"]
NODES = ["reporting.compare_with_earlier", "reporting.draw_changed_verdicts"]
DEFECTIVE = np.array([True, True, False, False])
_TEST = {"split": "test", "repeat": None, "fold": None}


def save_answers(catalog: DataCatalog, answers: list[float]) -> None:
    """Save what a run of classification and segmentation would, as one version."""
    scores = pd.DataFrame({"sheet_id": NAMES, **_TEST, "has_defect": DEFECTIVE}).assign(
        output=answers, score=answers, threshold=0.5
    )
    masks = pd.DataFrame({"sheet_id": NAMES, **_TEST, "class_id": 1}).assign(
        rle=["1 5", "", "", ""], area_px=[5, 0, 0, 0], score=answers
    )
    scores, masks = (t.astype({"repeat": "Int64", "fold": "Int64"}) for t in (scores, masks))
    catalog.save("vgg16.sheet_scores", scores)
    catalog.save("vgg16.operating_point", operating_point(lower_threshold=0.5))
    catalog.save("unet.predictions", masks)
    catalog.save("unet.stacking", Stacking())


@pytest.fixture(scope="module")
def project(make_project: Callable[[str], Project]) -> Project:
    """Two versions: the later finds b, and no longer flags c."""
    made = make_project("test")
    pictures = made.data / "01_raw" / "train_images"
    pictures.mkdir(parents=True)
    for name in NAMES:
        cv2.imwrite(str(pictures / name), np.full((16, 64), 120, np.uint8))
    catalog = made.catalog
    sheets = pd.DataFrame({"sheet_id": NAMES, "path": [f"train_images/{n}" for n in NAMES]}).assign(
        width=64, height=16, sha256=[f"{n:064d}" for n in range(4)], group_id=NAMES,
        mean_intensity=120.0, black_fraction=0.0, has_defect=DEFECTIVE,
    )  # fmt: skip
    catalog.save("sheets", sheets)
    truth = pd.DataFrame({"sheet_id": NAMES[:2], "class_id": 1, "rle": "1 5", "area_px": 5})
    catalog.save("annotations", truth)
    splits = pd.DataFrame({"sheet_id": NAMES, "group_id": NAMES, "split": "test", "fold": [[]] * 4})
    catalog.save("splits", splits)
    save_answers(catalog, [0.9, 0.1, 0.9, 0.1])
    save_answers(made.catalog, [0.9, 0.9, 0.1, 0.1])
    newest = catalog.load("earlier_versions").names[-1]
    catalog.save("chosen_gate", ModelReference(name="vgg16", version=newest))
    catalog.save("chosen_segmenter", ModelReference(name="unet", version=newest))
    return made


def run(project: Project, **parameters: object) -> None:
    with KedroSession.create(
        ROOT,
        env="test",
        conf_source=str(project.conf),
        runtime_params={"backbones": "vgg16"} | parameters,
    ) as session:
        session.run(pipeline_names=["reporting"], node_names=NODES)


def test_two_versions_side_by_side(project: Project) -> None:
    run(project, compare="previous")
    catalog = project.catalog
    versions = catalog.load("earlier_versions").names
    assert len(versions) == 2
    table = catalog.load("run_comparison")
    assert set(table["version"]) == {versions[0]}
    accuracy = table[(table["part"] == "gate") & (table["metric"] == "accuracy")].iloc[0]
    assert (accuracy["before"], accuracy["after"], accuracy["sheets"]) == (0.5, 1.0, 4)
    changed = catalog.load("changed_verdicts")
    assert changed["sheet_id"].tolist() == ["b.png", "c.png"]
    assert changed["verdict_before"].tolist() == ["accept", "review"]
    assert changed["verdict_after"].tolist() == ["review", "accept"]
    assert changed["better"].all()
    assert catalog.load("changed_verdicts_figure").is_file()


def test_a_wrong_version_is_refused_before_anything_runs(project: Project) -> None:
    with pytest.raises(SteelDefectsError, match="no version 2025 to compare with; there are 2"):
        run(project, compare="2025")
