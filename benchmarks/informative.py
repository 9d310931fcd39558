"""Whether sheets that are picked as informative teach more than sheets at random.

    kedro run --env=demo --pipelines=sample_data,data_engineering --params sample_data.sheets=1200
    python benchmarks/informative.py --size 128 800 --weights-dir DIR --weights FILE
    kedro run --env=neu_seg --pipelines=data_engineering --params raw_dir=PATH
    python benchmarks/informative.py --data PATH --env neu_seg --weights-dir DIR --weights FILE

Reads the tables of data engineering. Of three tenths of the groups of sheets nothing is learned;
they measure. Of the others 10 % are labelled at random, and 20, 30 and 40 % by either way. The
learner is a logistic regression a class on the pooled features of a frozen MobileNetV2: seconds a
training. Sheets are compared by their thumbnails, as the pipeline labelling does. Prints the mean
average precision over the classes at each step, for each seed, and the difference between the
ways; ends with 1 unless picking is above random in the mean of the seeds at every step that it has
a say in.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from gate import pooled_features
from labelled_data import data_arguments, prepared_data
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from steel_defects.data.segmenter_only import divided
from steel_defects.errors import SteelDefectsError
from steel_defects.evaluation.informative import appearance_of, informative_order
from steel_defects.images.folder import SheetFolder
from steel_defects.models.config import BackboneConfig
from steel_defects.training.config import BackboneTraining

ROOT = Path(__file__).parents[1]
STEPS = (0.1, 0.2, 0.3, 0.4)
Numbers = NDArray[np.float64]
Pick = Callable[[Numbers, Numbers, NDArray[np.bool_], int, np.random.Generator], NDArray[np.int64]]


def at_random(
    scores: Numbers, features: Numbers, labelled: NDArray[np.bool_], count: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:  # fmt: skip
    return rng.choice(np.flatnonzero(~labelled), count, replace=False)


def informative(
    scores: Numbers, features: Numbers, labelled: NDArray[np.bool_], count: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:  # fmt: skip
    return informative_order(scores, features, labelled, count)


WAYS: dict[str, Pick] = {"random": at_random, "informative": informative}


def probabilities(features: Numbers, shown: NDArray[np.bool_], to: Numbers) -> Numbers:
    """Learn each class from features, and return how likely each is on others."""
    columns = []
    for occurs in shown.T:
        if occurs.all() or not occurs.any():
            columns.append(np.full(len(to), float(occurs.mean())))
            continue
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
        columns.append(model.fit(features, occurs).predict_proba(to)[:, 1])
    return np.stack(columns, axis=1)


def learning_curve(
    features: Numbers, appearance: Numbers, shown: NDArray[np.bool_], groups: NDArray[np.int64],
    seed: int, pick: Pick,
) -> list[float]:  # fmt: skip
    """Return the mean average precision on groups held out, at each share of labels."""
    rng = np.random.default_rng(seed)
    split = GroupShuffleSplit(1, test_size=0.3, random_state=seed)
    pool, test = next(split.split(features, groups=groups))
    seen, truth = features[pool], shown[pool]
    labelled = np.zeros(len(pool), np.bool_)
    labelled[rng.choice(len(pool), round(STEPS[0] * len(pool)), replace=False)] = True
    compared = appearance[pool]
    curve = []
    for step in STEPS:
        if more := round(step * len(pool)) - int(labelled.sum()):
            scores = probabilities(seen[labelled], truth[labelled], seen)
            labelled[pick(scores, compared, labelled, more, rng)] = True
        found = probabilities(seen[labelled], truth[labelled], features[test])
        occurring = [k for k, one in enumerate(shown[test].T) if one.any()]
        scores_of = (average_precision_score(shown[test][:, k], found[:, k]) for k in occurring)
        curve.append(float(np.mean(list(scores_of))))
    return curve


def read(
    given: argparse.Namespace,
) -> tuple[pd.DataFrame, NDArray[np.bool_], Numbers, SheetFolder]:
    """Return sheets, the classes that are on each, what they look like, and their pictures."""
    catalog = prepared_data(given)
    tables = map(catalog.load, ("sheets", "annotations", "splits", "raw_sheets"))
    sheets, annotations, splits, folder = tables
    sheets, annotations = divided(sheets, splits), divided(annotations, splits)
    inventory = catalog.load("sheet_inventory").set_index("sheet_id", drop=False)
    appearance = appearance_of(inventory.loc[sheets["sheet_id"]])
    shown = pd.crosstab(annotations["sheet_id"], annotations["class_id"]) > 0
    shown = shown.reindex(sheets["sheet_id"], fill_value=False)
    return sheets, shown.to_numpy(bool), appearance, folder


def features_of(sheets: pd.DataFrame, folder: SheetFolder, given: argparse.Namespace) -> Numbers:
    """Return the features of each sheet, from the cache if they are there."""
    name = f"{given.env}_{len(sheets)}_{given.size[0]}x{given.size[1]}_{given.weights}.npy"
    path = given.cache / name
    if not path.exists():
        given.cache.mkdir(parents=True, exist_ok=True)
        backbone = BackboneConfig(name="mobilenet_v2", alpha=0.35, weights=given.weights)
        size, paths = tuple(given.size), sheets["path"].tolist()
        training = BackboneTraining(backbone=backbone)
        np.save(path, pooled_features(folder, paths, training, size, str(given.weights_dir)))
    return np.load(path).astype(np.float64)


def show(table: pd.DataFrame) -> bool:
    """Print the curves; returns whether picking is above random wherever it has a say."""
    print("mean average precision by the share of labels")
    print(table.round(4).to_string(index=False))
    means = table.drop(columns="seed").groupby("way").mean()
    print("\nmean of the seeds")
    print(means.round(4).to_string())
    more = means.loc["informative"] - means.loc["random"]
    print("informative less random:", more.round(4).to_dict())
    return bool((more[list(STEPS[1:])] > 0).all())


def main() -> int:
    """Print the curves."""
    parser = data_arguments(__doc__.splitlines()[0], "informative")
    add = parser.add_argument
    add("--weights-dir", type=Path, default=Path(), metavar="DIR")
    add("--weights", default="none", metavar="FILE", help="of MobileNetV2 with alpha 0.35")
    add("--size", type=int, nargs=2, default=[192, 192], help="height and width, pixels")
    given = parser.parse_args()
    sheets, shown, appearance, folder = read(given)
    features = features_of(sheets, folder, given)
    groups = pd.factorize(sheets["group_id"])[0]
    print(f"{given.env}: {len(sheets)} sheets")
    return 1 - show(
        pd.DataFrame(
            {"way": way, "seed": seed}
            | dict(
                zip(
                    STEPS,
                    learning_curve(features, appearance, shown, groups, seed, pick),
                    strict=True,
                )
            )
            for seed in given.seeds
            for way, pick in WAYS.items()
        )
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SteelDefectsError as error:
        sys.exit(f"Error: {error}")
