"""The model card, with the headings of Mitchell et al. 2019 (arXiv:1810.03993)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from steel_defects.reporting.decision import Decision
from steel_defects.reporting.tables import label, missing


@dataclass(frozen=True)
class CardFacts:
    """What a card is written from; anything may be empty.

    Attributes:
        run: Record of the run.
        gate: Name of the chosen gate; None for none.
        segmenter: Name of the chosen segmenter.
        class_names: Names of classes 1, 2, ….
        data_quality: Counts of the data.
        decision: Whether the model is fit.
        robust: Whether robustness was measured.
    """

    run: Mapping[str, Any]
    gate: str | None
    segmenter: str | None
    class_names: Sequence[str]
    data_quality: Mapping[str, Any]
    decision: Decision
    robust: bool


def model_card(facts: CardFacts) -> list[tuple[str, list[str]]]:
    """Return headings with their sentences."""
    return [
        ("Model details", _details(facts)),
        ("Intended use", _intended_use()),
        ("Factors", _factors(facts)),
        ("Metrics", _metrics()),
        ("Evaluation data", [_split_sentence(facts, ("test", "calibration"))]),
        ("Training data", [_split_sentence(facts, ("train", "validation")), *_balance(facts)]),
        ("Quantitative analyses", _analyses(facts)),
        ("Ethical considerations", _ethics()),
        ("Caveats and recommendations", _caveats(facts)),
    ]


def _details(facts: CardFacts) -> list[str]:
    run = facts.run
    gate = (
        f"A cascade: the classifier {facts.gate} decides which sheets are clean, and the segmenter "
        f"{facts.segmenter} outlines defects on the others."
        if facts.gate
        else f"The segmenter {facts.segmenter} outlines defects on every sheet; there is no gate."
    )
    made = [
        f"{words} {run[key]}"
        for key, words in (
            ("run_id", "version"),
            ("git_revision", "code"),
            ("started_at", "made"),
        )
        if run.get(key)
    ]
    return [gate, *([f"Identified by {', '.join(made)}."] if made else [])]


def _intended_use() -> list[str]:
    return [
        "Inspection of flat steel sheets from a fixed camera, in gray, beside people who look at "
        "the sheets it sends to review.",
        "Not meant as the only safeguard where a missed defect endangers people, nor for other "
        "materials, cameras or lights than those it was evaluated with.",
    ]


def _factors(facts: CardFacts) -> list[str]:
    names = ", ".join(f"{n} {name}" for n, name in enumerate(facts.class_names, start=1))
    sizes = facts.data_quality.get("sizes") or {}
    lines = [f"Defect classes: {names}." if names else "The classes have no names."]
    if sizes:
        lines.append(f"Sizes of the sheets: {', '.join(str(size) for size in sizes)} px.")
    lines.append(
        "Class, size of the defect, brightness, focus and position of the sheet change how well "
        "it does; the figures by class and size are in this report"
        + (", and so is robustness." if facts.robust else "; robustness was not measured.")
    )
    return lines


def _metrics() -> list[str]:
    return [
        "Of sheets: accuracy, ROC-AUC, escape rate and false alarms at the operating point, with "
        "exact binomial (Clopper-Pearson) or tolerance (Wilks) bounds.",
        "Of pixels: the mean Dice over all sheets and classes, in which two empty masks agree "
        "fully; beside it always Dice on positives and boundary IoU, and the score of finding "
        "nothing.",
    ]


def _split_sentence(facts: CardFacts, names: tuple[str, ...]) -> str:
    rows = [r for r in facts.data_quality.get("splits") or [] if r.get("split") in names]
    if not rows:
        return "Not recorded."
    parts = [f"{row['split']}: {_count(row, 'sheets')} sheets" + _defective(row) for row in rows]
    return f"{'; '.join(parts)}. Look-alike sheets are never in two splits."


def _count(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    return "unknown" if missing(value) else f"{int(value or 0):,}"


def _defective(row: Mapping[str, Any]) -> str:
    return "" if missing(row.get("defective")) else f", {_count(row, 'defective')} defective"


def _balance(facts: CardFacts) -> list[str]:
    rows = facts.data_quality.get("class_balance") or []
    if not isinstance(rows, list) or not rows:
        return []
    parts = [f"{row.get('class')}: {_count(row, 'sheets')}" for row in rows]
    return [f"Sheets with each class, all splits: {'; '.join(parts)}."]


def _analyses(facts: CardFacts) -> list[str]:
    return [f"{facts.decision.answer} {facts.decision.reason}"] + [
        f"{c.name}: {c.value}" + (f" ({c.bound})" if c.bound else "") + f", {c.basis}."
        for c in facts.decision.criteria
    ]


def _ethics() -> list[str]:
    return [
        "Sheets show no people. What inspectors decide about reviewed sheets says something about "
        "their work, and is theirs to agree to.",
        "An escaped defect can harm those who use the steel; false alarms cost the mill. Who sets "
        "the operating point weighs one against the other.",
    ]


def _caveats(facts: CardFacts) -> list[str]:
    lines = [
        "Figures hold for sheets like those they were measured on. Watch the drift alarms of "
        "inspection, and evaluate anew after a change of camera, light or product.",
        "The truth is what annotators drew; their outlines differ from each other's, too.",
    ]
    if facts.decision.status != "met":
        lines.insert(0, f"{facts.decision.answer} {facts.decision.reason}")
    set_aside = facts.data_quality.get("sheets_set_aside")
    if not missing(set_aside) and set_aside:
        lines.append(
            f"{label('sheets_set_aside').capitalize()}: {set_aside:,}, see the quarantine."
        )
    return lines
