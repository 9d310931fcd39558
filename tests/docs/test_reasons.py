"""Docs and code know the same reasons of verdicts."""

import re
from pathlib import Path

import pytest
from tests.decision.test_verdict import GATE, LARGE, OTHER, SMALL

from steel_defects.decision.reasons import REASONS, before_regions
from steel_defects.decision.verdict import judge

DOCUMENTED = dict(
    re.findall(
        r"^\| `([^`]+)` \| (accept|review|reject) \|",
        (Path(__file__).parents[2] / "docs" / "inspection.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
)


def form_of(reason: str) -> list[str]:
    """Return the forms that a reason may have."""
    patterns = {form: re.sub(r"\\{\w+\\}", ".+", re.escape(form)) for form in REASONS}
    return [form for form, pattern in patterns.items() if re.fullmatch(pattern, reason)]


def test_docs_list_every_reason_with_its_verdict() -> None:
    assert DOCUMENTED == REASONS


@pytest.mark.parametrize("score", [None, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("regions", [[], [SMALL], [LARGE, OTHER], [OTHER]])
@pytest.mark.parametrize("ignored", [(), (1,)])
def test_a_verdict_gives_one_of_them(config, score, regions, ignored) -> None:
    rules = config.model_copy(update={"ignore_classes": ignored})
    found = judge(score, None if score is None else GATE, regions, rules)
    (form,) = form_of(found.reason)
    assert REASONS[form] == found.verdict
    assert before_regions(found.reason) == (score == 0.1)
