"""What benchmarks of labels share: which data they take, and where data engineering left them."""

import argparse
from pathlib import Path

from kedro.io import DataCatalog

from steel_defects import load_catalog
from steel_defects.errors import SteelDefectsError

ROOT = Path(__file__).parents[1]


def data_arguments(description: str, cache: str) -> argparse.ArgumentParser:
    """Return a parser of ``--data``, ``--env``, ``--seeds`` and ``--cache``."""
    parser = argparse.ArgumentParser(description=description)
    add = parser.add_argument
    add("--data", default="synthetic", metavar="PATH", help="folder, or synthetic")
    add("--env", default="demo")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2])
    add("--cache", type=Path, default=ROOT / "data" / "benchmarks" / cache, metavar="DIR")
    return parser


def prepared_data(given: argparse.Namespace) -> DataCatalog:
    """Return the catalog with the tables of data engineering."""
    raw = {} if given.data == "synthetic" else {"raw_dir": given.data}
    catalog = load_catalog(ROOT, given.env, **raw)
    if not catalog.exists("sheets"):
        raise SteelDefectsError(
            f"there are no sheets; run kedro run --env={given.env} --pipelines=data_engineering "
            "first"
        )
    return catalog
