"""The catalog and the graph, in every environment."""

import json
import logging
import pickle
import re
from collections import Counter
from pathlib import Path

import pytest
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.io import DataCatalog, MemoryDataset
from kedro_viz.data_access.managers import DataAccessManager

from steel_defects.errors import SteelDefectsError
from steel_defects.pipeline_registry import create_pipelines
from steel_defects.selection import EVERYTHING

ROOT = Path(__file__).parents[1]
SNAPSHOT = Path(__file__).with_name("dag.json")
ENVIRONMENTS = sorted(
    path.name for path in (ROOT / "conf").iterdir() if path.is_dir() and path.name != "local"
)


@pytest.fixture(scope="module", autouse=True)
def project() -> None:
    bootstrap_project(ROOT)


def catalog_of(env: str) -> DataCatalog:
    with KedroSession.create(ROOT, env=env) as session:
        return session.load_context().catalog


PIPELINES = create_pipelines(EVERYTHING)


def datasets() -> list[str]:
    names = {name for pipeline in PIPELINES.values() for name in pipeline.datasets()}
    return sorted(n for n in names if not n.startswith("params:") and n != "parameters")


#: Of kedro-viz, which sorts by name what does not depend on each other.
LAYERS = {
    "01_raw", "02_intermediate", "03_primary", "05_model_input", "06_models", "07_model_output",
    "08_reporting", "09_release",
}  # fmt: skip


def layer_of(catalog: DataCatalog, name: str) -> str:
    return catalog[name].metadata["kedro-viz"]["layer"]


def test_environments():
    assert {"base", "demo", "cpu", "neu_seg", "test"} <= set(ENVIRONMENTS)


@pytest.mark.slow
@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_every_dataset_is_in_the_catalog(env):
    catalog = catalog_of(env)
    names = datasets()
    assert len(names) > 40
    # A name that misses the catalog would silently become a MemoryDataset.
    missing = [name for name in names if name not in catalog]
    assert missing == []
    in_memory = [name for name in names if isinstance(catalog[name], MemoryDataset)]
    assert in_memory == []
    assert [name for name in names if not (catalog[name].metadata or {}).get("kedro-viz")] == []
    assert {layer_of(catalog, name) for name in names} == LAYERS


@pytest.mark.slow
@pytest.mark.parametrize("env", ["demo", "neu_seg"])
def test_every_dataset_pickles(env):
    """For runners whose nodes run in processes of their own."""
    catalog = catalog_of(env)
    for name in datasets():
        copy = pickle.loads(pickle.dumps(catalog[name]))
        assert type(copy) is type(catalog[name]), name
        assert copy._describe() == catalog[name]._describe(), name


@pytest.mark.slow
@pytest.mark.parametrize(
    "parameter", ["raw_dir", "sheets_dir", "models_dir", "weights_dir", "segmenter_only"]
)
def test_only_local_folders_are_taken(parameter):
    given = {parameter: "s3://mill/sheets"}
    given = {"data_engineering": given} if parameter == "segmenter_only" else given
    with KedroSession.create(ROOT, env="demo", runtime_params=given) as session:
        context = session.load_context()
        with pytest.raises(SteelDefectsError, match=r"s3://mill/.* works on local folders only"):
            _ = context.catalog


def second_folder(**parameters: object) -> tuple[Path, Path]:
    """Return where the catalog looks for sheets for segmenters alone, and their labels."""
    with KedroSession.create(ROOT, env="test", runtime_params=parameters) as session:
        catalog = session.load_context().catalog
    names = ("segmenter_only_sheets", "segmenter_only_annotations")
    pictures, labels = (catalog[name]._filepath for name in names)
    return pictures, labels


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("/data/more", Path("/data/more")),
        ("../data/more", ROOT / ".." / "data" / "more"),
        ("~/more", Path("~/more").expanduser()),
        (None, ROOT / "data" / "test" / "01_raw" / "segmenter_only"),
    ],
)
def test_a_parameter_names_the_second_folder(given, expected):
    pictures, labels = second_folder(data_engineering={"segmenter_only": given})
    assert pictures == expected
    assert labels == expected / "train.csv"
    nodes = {node.name: node for node in pipelines["data_engineering"].nodes}
    inputs = set(nodes["data_engineering.inventory_sheets"].inputs)
    assert ("segmenter_only_sheets" in inputs) == (given is not None)


def test_every_table_is_validated():
    with KedroSession.create(ROOT, env="base") as session:
        entries = session.load_context().config_loader["catalog"]
    tables = {n: e for n, e in entries.items() if e["type"].startswith("pandas.")}
    assert len(tables) > 20
    assert [name for name, entry in tables.items() if "validator" not in entry] == []


def test_a_list_of_all_datasets_is_free_of_warnings(caplog):
    """``kedro catalog describe-datasets``."""
    told = catalog_of("test").describe_datasets()
    assert told["segmentation"]["factories"] and not told["__default__"]["defaults"]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.slow
@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_environments_keep_their_data_apart(env):
    catalog = catalog_of(env)
    root = ROOT / "data" if env == "base" else ROOT / "data" / env
    strays = [name for name in datasets() if not Path(catalog[name]._filepath).is_relative_to(root)]
    assert strays == []


@pytest.mark.slow
def test_no_two_datasets_share_a_file():
    catalog = catalog_of("base")
    # Inspection reads the package, and the new sheets, by datasets of its own; what a run before
    # left is read as an earlier table.
    shared = {"inspection_package", "inspection_sheets", "deployment_raw", "deployment_folder"}
    shared |= {"inspected_verdicts", "inspected_masks", "inspected_pictures"}
    shared |= {name for name in datasets() if name.startswith("earlier_")}
    paths = Counter(str(catalog[name]._filepath) for name in datasets() if name not in shared)
    assert [path for path, count in paths.items() if count > 1] == []


@pytest.mark.slow
def test_layers_stand_in_the_order_of_the_data():
    """In each view of kedro-viz, which draws none at all where they form a cycle."""
    catalog, viz = catalog_of("base"), DataAccessManager()
    viz.add_catalog(catalog, PIPELINES)
    viz.add_pipelines(PIPELINES)
    for name, pipeline in PIPELINES.items():
        viz.create_modular_pipelines_tree_for_registered_pipeline(name)
        layers = {layer_of(catalog, one) for one in pipeline.datasets() if ":" not in one}
        order = viz.get_sorted_layers_for_registered_pipeline(name)
        # It orders those of other pipelines, too, and draws those that the view has.
        assert [layer for layer in order if layer in layers] == sorted(layers), name


def test_patterns_differ_by_more_than_their_placeholders():
    with KedroSession.create(ROOT, env="base") as session:
        entries = session.load_context().config_loader["catalog"]
    patterns = Counter(re.sub(r"{\w+}", "{}", name) for name in entries if "{" in name)
    assert patterns
    assert [name for name, count in patterns.items() if count > 1] == []
    assert "{}" not in patterns  # a catch-all would take every misspelt name


@pytest.mark.slow
@pytest.mark.parametrize("env", ["demo", "neu_seg"])
def test_nodes_of_each_pipeline(env):
    """The graph; after a wanted change write ``found`` to dag.json."""
    catalog_of(env)
    found = {
        name: sorted(node.name for node in pipeline.nodes)
        for name, pipeline in pipelines.items()
        if name != "__default__"
    }
    assert found == json.loads(SNAPSHOT.read_text(encoding="utf-8"))[env]


def test_every_node_carries_its_pipeline_s_tag():
    for name, pipeline in PIPELINES.items():
        if name != "__default__":
            assert all(name in node.tags for node in pipeline.nodes), name


def test_default_goes_from_raw_data_to_the_report():
    default = PIPELINES["__default__"]
    inputs = {name for name in default.inputs() if not name.startswith("params:")}
    assert inputs == {
        "raw_sheets", "raw_annotations", "raw_positions", "pretrained_weights", "checkpoints",
        "run_record", "trained_models", "earlier_sheet_inventory", "earlier_similar_sheets",
        "earlier_split_assignments", "earlier_versions", "earlier_label_corrections",
        "earlier_labelling_sheets", "corrections", "segmenter_only_sheets",
        "segmenter_only_annotations",
    }  # fmt: skip
    assert {"report", "model_package"} <= default.outputs()
