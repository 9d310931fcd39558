"""Which sheets a package learned from, so that a comparison can leave them out."""

import pandas as pd

from steel_defects.data.segmenter_only import divided, learners
from steel_defects.data.short_digests import short_digests
from steel_defects.package.folder import LEARNED_SHEETS, ModelPackage

#: The split of the sheets that neither fitted a network nor chose a number of a package. Networks
#: of a cross-validation's folds learn from them, too, but are not kept: what is chosen by their
#: scores is chosen on sheets of other splits.
UNSEEN_SPLIT = "test"


def learned_sheets(sheets: pd.DataFrame, splits: pd.DataFrame) -> str:
    """Name the sheets that decided on networks, thresholds or post-processing of a package.

    Args:
        sheets: ``sheet_id, sha256``.
        splits: ``sheet_id, group_id, split``.

    Returns:
        A line for each, in their order: a short digest of its file.
    """
    own = divided(splits, splits)
    learned = [*own.loc[own["split"] != UNSEEN_SPLIT, "sheet_id"], *learners(splits)]
    digests = short_digests(sheets.loc[sheets["sheet_id"].isin(learned), "sha256"])
    return "".join(f"{digest}\n" for digest in sorted(set(digests)))


def learned_by(package: ModelPackage) -> frozenset[str] | None:
    """Return the digests of the sheets that a package learned from; None where it does not say.

    Raises:
        SteelDefectsError: The list is not what was written.
    """
    if LEARNED_SHEETS not in package.manifest.files:
        return None
    return frozenset(package.read(LEARNED_SHEETS).decode().split())
