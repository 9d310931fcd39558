"""Parameters given to a run that would change nothing."""

import re
from pathlib import Path

import pytest
from kedro.framework.session import KedroSession
from kedro.io import DataCatalog, MemoryDataset
from tests.support.run_params import run_params

from steel_defects.errors import SteelDefectsError
from steel_defects.parameter_hooks import CATALOG_PARAMETERS, ParameterHooks

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module", autouse=True)
def base_environment() -> None:
    """Choose what conf/base chooses, whatever another module's tests chose before."""
    with KedroSession.create(ROOT) as session:
        session.load_context()


def check(pipelines: list[str] | None, given: dict[str, object]) -> None:
    catalog = DataCatalog({"params:inspection.overlays": MemoryDataset(24)})
    asked = {"pipeline_names": pipelines, "runtime_params": given}
    ParameterHooks().before_pipeline_run(run_params("1") | asked, catalog)


@pytest.mark.parametrize(
    ("pipelines", "given"),
    [
        (None, {"classification": {"epochs": 3}, "architectures": ["unet"], "raw_dir": "x"}),
        (["classification"], {"backbones": ["vgg16"], "weights_dir": "x"}),
        (["classification"], {"operating_point": {"target_recall": 0.99}}),
        (["data_engineering", "inspection"], {"raw_dir": "x", "sheets_dir": "y"}),
        (["inspection"], {"inspection": {"limits": {"crack": {"count": 3}}}, "models_dir": "x"}),
        (["data_engineering"], {"backbones": None}),
        (["reporting"], {"compare": "previous", "reporting": {"robustness_sheets": 5}}),
        (["segmentation"], {"unet": {"network": {"filters": [8, 16]}}}),
        (["reporting"], {"learning_curve": {"models": "unet"}}),
    ],
)
def test_parameters_that_a_chosen_pipeline_reads(pipelines, given):
    check(pipelines, given)


@pytest.mark.parametrize(
    ("pipelines", "given", "words"),
    [
        (
            ["inspection"],
            {"operating_point": {"target_recall": 0.99}},
            "inspection would not read operating_point.target_recall; it is for classification",
        ),
        (["inspection"], {"reporting": {"overlays": 3}}, "did you mean inspection.overlays?"),
        (
            ["inspection"],
            {"raw_dir": "x"},
            "inspection would not read raw_dir; it is for sample_data, data",
        ),
        (["inspection"], {"backbones": None}, "inspection would not read backbones; "),
        (None, {"sheets_dir": "x"}, "this run would not read sheets_dir; it is for inspection"),
        (
            ["data_engineering", "inspection"],
            {"classification": {"epochs": 3}},
            "data_engineering and inspection would not read classification.epochs; it is for "
            "classification, proposal: run that, or leave it out",
        ),
        (
            None,
            {"segmenter_cross_validation": {"repeats": 3}},
            "segmenter_cross_validation.repeats; nothing that is switched on does, so leave it out",
        ),
        (
            None,
            {"learning_curve": {"seeds": 3}},
            "learning_curve.seeds; nothing that is switched on does, so leave it out",
        ),
    ],
)
def test_parameters_that_would_change_nothing_are_refused(pipelines, given, words):
    with pytest.raises(SteelDefectsError, match=re.escape(words)):
        check(pipelines, given)


def test_the_datasets_whose_paths_are_given_are_those_of_the_catalog():
    found: dict[str, set[str]] = {}
    for path in ROOT.glob("conf/*/catalog*.yml"):
        name = ""
        for line in path.read_text(encoding="utf-8").splitlines():
            if re.match(r'["\w{}.]+:$', line):
                name = line.strip('":')
            for parameter in re.findall(r"runtime_params:(\w+)", line):
                found.setdefault(parameter, set()).add(name)
    assert found == CATALOG_PARAMETERS
