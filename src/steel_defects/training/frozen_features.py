"""Features of sheets from a backbone that does not learn, so that each sheet is read only once."""

from collections.abc import Callable

import keras
import numpy as np
from numpy.typing import NDArray

from steel_defects.models.classifier import HEAD, POOLED
from steel_defects.prediction.sheet_scores import predict_scores, predict_sheets
from steel_defects.training.jobs import ClassifierRecipe
from steel_defects.training.labelled_sheets import LabelledSheets

#: From a classifier and sheets to its output for each, 0 to 1, before calibration.
Scorer = Callable[[keras.Model, LabelledSheets], NDArray[np.float64]]


class FrozenFeatures:
    """Remembers what heads of one recipe learn from and are asked with.

    All classifiers that it is given have the same backbone with the same weights.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, str], NDArray[np.float32]] = {}

    def of(self, classifier: keras.Model, turns: int, data: LabelledSheets) -> NDArray[np.float32]:
        """Return the features of sheets, ``(sheets, features)``.

        ``turns`` is over how many orientations the classifier averages them.
        """
        paths = data.sheets["path"].tolist()
        new = [path for path in paths if (turns, path) not in self._known]
        if new:
            extractor = keras.Model(classifier.input, classifier.get_layer(POOLED).output)
            found = predict_sheets(extractor, data.folder, new).astype(np.float32)
            self._known.update({(turns, path): row for path, row in zip(new, found, strict=True)})
        return np.stack([self._known[turns, path] for path in paths])

    def scores(
        self, classifier: keras.Model, turns: int, data: LabelledSheets
    ) -> NDArray[np.float64]:
        """Return a classifier's output for each sheet, 0 to 1, before calibration."""
        head = classifier.get_layer(HEAD)
        return np.asarray(head.predict_on_batch(self.of(classifier, turns, data)), np.float64)[:, 0]


def scorer_of(recipe: ClassifierRecipe, features: FrozenFeatures) -> Scorer:
    """Return what asks classifiers of a recipe about sheets, by their features where these last."""
    turns = len(recipe.training.head.finished.turns)

    def score(classifier: keras.Model, data: LabelledSheets) -> NDArray[np.float64]:
        if recipe.backbone_learns:
            return predict_scores(classifier, data.folder, data.sheets["path"].tolist())
        return features.scores(classifier, turns, data)

    return score
