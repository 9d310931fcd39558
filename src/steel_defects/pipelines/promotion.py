"""The pipeline that puts a version of the model package into use, if it is no worse."""

import logging
from datetime import UTC, datetime
from functools import partial

import pandas as pd
from kedro.pipeline import Pipeline

from steel_defects.datasets.models import PackageContents
from steel_defects.errors import Refused, SteelDefectsError
from steel_defects.evaluation.comparable_sheets import (
    PackageFacts,
    comparable_sheets,
    digest_of_test,
    incomparable,
    too_few,
)
from steel_defects.evaluation.paired_figures import Truth
from steel_defects.evaluation.promotion import (
    JudgedSheets,
    Outcome,
    Promotion,
    compare,
    reads_of,
    without_comparison,
    words_given,
)
from steel_defects.images.folder import SheetFolder
from steel_defects.inspection.config import InspectionConfig
from steel_defects.package.folder import DECISION, ModelPackage, write_text
from steel_defects.package.learned import learned_by
from steel_defects.package.recall import at_recall, recall_in_force
from steel_defects.package.versions import PackageVersions
from steel_defects.pipelines.wiring import node
from steel_defects.tables.declared import PROMOTIONS

logger = logging.getLogger(__name__)


def create_pipeline() -> Pipeline:
    """From a version of the model package to the promoted package, or to a refusal."""
    asked = {name: f"params:{name}" for name in ("candidate", "reason", "by")}
    parts = [
        node(decide_promotion, "promotion_decision", **asked),
        node(log_promotion, "promotions"),
        node(promote_package, "promoted_package", _logged="promotions"),
    ]
    return Pipeline(parts, tags="promotion")


def decide_promotion(
    candidate: str,
    reason: str | None,
    by: str | None,
    package_versions: PackageVersions,
    earlier_promoted_package: ModelPackage | None,
    earlier_promotions: pd.DataFrame,
    raw_sheets: SheetFolder,
    sheets: pd.DataFrame,
    annotations: pd.DataFrame,
    splits: pd.DataFrame,
    inspection: InspectionConfig,
) -> Promotion:
    """Compare a version with the promoted package, on test sheets that neither learned from.

    Raises:
        SteelDefectsError: Nobody says who asks or why, there is no such version, or it is the
            promoted one already.
    """
    by, reason = words_given(by=by, reason=reason)
    package, promoted = package_versions.open(str(candidate)), earlier_promoted_package
    new = _facts(package, package.folder.name, inspection)
    old = _facts(promoted, promoted.manifest.version, inspection) if promoted else None
    if old and old.version == new.version:
        raise SteelDefectsError(f"version {new.version} is the promoted one already: nothing to do")
    outcome = without_comparison(new, old, earlier_promotions)
    if outcome is None and promoted and old:
        truth = Truth(sheets, annotations, splits)
        outcome = _compared((package, new), (promoted, old), raw_sheets, truth, inspection)
    assert outcome is not None  # noqa: S101 (without a promoted package none is compared)
    test_split = digest_of_test(sheets, splits)
    return Promotion(
        **vars(outcome),
        candidate=new.version,
        model_id=new.model_id,
        thresholds_id=new.thresholds_id,
        replaces=old.version if old else "",
        replaced_model_id=old.model_id if old else "",
        replaced_thresholds_id=old.thresholds_id if old else "",
        decided_at=datetime.now(UTC),
        by=by,
        reason=reason,
        test_split=test_split,
        test_reads=reads_of(earlier_promotions, test_split) + bool(outcome.sheets),
    )


def _facts(package: ModelPackage, version: str, inspection: InspectionConfig) -> PackageFacts:
    recall = recall_in_force(at_recall(package, inspection.target_recall))
    return PackageFacts(
        version=version,
        model_id=package.model_id,
        thresholds_id=package.thresholds_id,
        class_names=package.manifest.class_names,
        learned=learned_by(package),
        target_recall=recall.target_recall if recall else None,
    )


def _compared(
    candidate: tuple[ModelPackage, PackageFacts],
    promoted: tuple[ModelPackage, PackageFacts],
    raw_sheets: SheetFolder,
    truth: Truth,
    inspection: InspectionConfig,
) -> Outcome:
    """Let both packages judge the sheets that are new to them, if these are enough."""
    from steel_defects.inspection.known_sheets import judge_known_sheets

    if problem := incomparable(candidate[1], promoted[1], str(promoted[0].folder)):
        return Outcome(False, problem)
    comparable = comparable_sheets(truth.sheets, truth.splits, candidate[1], promoted[1])
    if problem := too_few(comparable):
        return Outcome(False, problem)

    def judged(package: ModelPackage) -> JudgedSheets:
        return judge_known_sheets(package, raw_sheets, comparable.sheet_ids, inspection)

    known = truth.sheets[truth.sheets["sheet_id"].isin(comparable.sheet_ids)]
    return compare(
        (candidate[1], judged(candidate[0])),
        (promoted[1], judged(promoted[0])),
        Truth(known, truth.annotations, truth.splits),
    )


def log_promotion(promotion_decision: Promotion) -> pd.DataFrame:
    """Note a decision, a refusal too: the log says how often the test split was read."""
    row = promotion_decision.model_dump(include=set(PROMOTIONS.columns))
    return PROMOTIONS.typed(pd.DataFrame([row]))


def promote_package(
    promotion_decision: Promotion, package_versions: PackageVersions, _logged: pd.DataFrame
) -> PackageContents:
    """Copy a version that was taken, with the decision in it.

    Raises:
        Refused: It was not taken; what is promoted stays.
        SteelDefectsError: Its files are others than when it was decided.
    """
    decision, version = promotion_decision, promotion_decision.candidate
    if not decision.taken:
        raise Refused(
            f"version {version} is refused: {decision.why}; the promoted package stays at "
            f"{decision.replaces or 'what it is'}"
        )
    package = package_versions.open(version)
    if (package.model_id, package.thresholds_id) != (decision.model_id, decision.thresholds_id):
        raise SteelDefectsError(
            f"{package.folder} was changed since it was decided on; promote it again"
        )
    logger.info("version %s is promoted: %s", version, decision.why)
    text = f"{decision.model_dump_json(indent=2)}\n"
    copies = {name: partial(package.copy, name) for name in package.manifest.files}
    manifest = package.manifest.model_copy(update={"version": version})
    return PackageContents(manifest, copies | {DECISION: partial(write_text, text)})
