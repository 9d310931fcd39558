"""The report: one HTML file that needs nothing beside it and asks the network for nothing."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from steel_defects.reporting import gallery, gate_tables, tables, wording
from steel_defects.reporting.compared import comparison_section
from steel_defects.reporting.data_page import data_page, provenance, run_line
from steel_defects.reporting.decision import Decision, decide, evidence_from
from steel_defects.reporting.model_card import CardFacts, model_card
from steel_defects.reporting.segmenter_tables import segmenter_sections
from steel_defects.reporting.tables import Table


@dataclass(frozen=True)
class ReportContext:
    """All that a report shows; anything may be empty, and the report then says so.

    Attributes:
        title: Heading of the report.
        run: Record of the run: ``run_id``, ``environment``, ``git_revision``, ``started_at``,
            ``versions``, ``data_fingerprint``, ``parameters`` …
        classification_comparison: One row a backbone and evaluation.
        segmentation_comparison: One row an architecture and evaluation.
        per_class: One row an architecture and class.
        gate_selection: ``name`` (None for no gate), ``reason`` …
        segmenter_selection: ``name``, ``reason`` …
        operating_points: Fields of the operating point, and ``temperature``, by backbone.
        together: Operating point of gate and segmenter together; empty without one.
        false_alarm_target: Share of clean sheets that may not be cleared; None for no target.
        lookup_baseline: What copying the nearest training sheet scores.
        class_names: Names of classes 1, 2, ….
        data_quality: Counts, tables and lists in any form; ``quarantined`` lists findings.
        data_tables: Further tables about the data, by heading.
        data_figures: PNG pictures about the data, by title.
        figures: PNG pictures by title.
        attention: Whether the gate looks at the defects, in a sentence.
        grad_cam: PNG picture of where it looks; empty for none.
        mistakes: The gate's most confident mistakes, one row a sheet.
        mistake_sheets: PNG picture of them; empty for none.
        detection: Sentences about detection by size.
        robustness: Figures on worse pictures, one row a corruption and level.
        pictures: Sheets with truth and prediction.
        sheet_totals: Test sheets of each outcome, shown or not.
        run_comparison: An earlier version beside this one; empty where none was named.
        changed_verdicts: Sheets on which the two decide differently.
        changed_sheets: PNG picture of some of them.
    """

    title: str
    run: Mapping[str, Any]
    classification_comparison: pd.DataFrame
    segmentation_comparison: pd.DataFrame
    per_class: pd.DataFrame
    gate_selection: Mapping[str, Any]
    segmenter_selection: Mapping[str, Any]
    operating_points: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    together: Mapping[str, Any] = field(default_factory=dict)
    false_alarm_target: float | None = None
    lookup_baseline: pd.DataFrame = field(default_factory=pd.DataFrame)
    class_names: Sequence[str] = ()
    data_quality: Mapping[str, Any] = field(default_factory=dict)
    data_tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    data_figures: Mapping[str, bytes] = field(default_factory=dict)
    figures: Mapping[str, bytes] = field(default_factory=dict)
    attention: str = ""
    grad_cam: bytes = b""
    mistakes: pd.DataFrame = field(default_factory=pd.DataFrame)
    mistake_sheets: bytes = b""
    detection: Sequence[str] = ()
    robustness: pd.DataFrame = field(default_factory=pd.DataFrame)
    pictures: Sequence[gallery.Picture] = ()
    sheet_totals: Mapping[str, int] = field(default_factory=dict)
    run_comparison: pd.DataFrame = field(default_factory=pd.DataFrame)
    changed_verdicts: pd.DataFrame = field(default_factory=pd.DataFrame)
    changed_sheets: bytes = b""


def render_report(context: ReportContext) -> str:
    """Write the report.

    Returns:
        An HTML document with its pictures and style inside.
    """
    environment = Environment(
        loader=PackageLoader("steel_defects.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    decision = _decision(context)
    html = environment.get_template("report.html.jinja").render(
        title=context.title,
        run_line=run_line(context.run),
        decision=decision,
        absent=wording.absent_sheets(context.sheet_totals),
        headlines=_headlines(context),
        proof=wording.proof(_gate_point(context)),
        comparisons=_comparisons(context),
        compared=_compared_page(context),
        figures=[
            (title, _data_uri(png, "png"), _is_wide(png)) for title, png in context.figures.items()
        ],
        detection=context.detection,
        worse_pictures=wording.worse_pictures(context.robustness),
        robustness=tables.from_frame(
            "Each level of each corruption, at the operating point", context.robustness
        ),
        gate=_gate_page(context),
        gallery=_gallery_page(context),
        data=data_page(context.data_quality)
        | {
            "further": [
                (heading, tables.from_frame(heading, table))
                for heading, table in context.data_tables.items()
            ],
            "figures": [(title, _photo_uri(png)) for title, png in context.data_figures.items()],
        },
        card=model_card(
            CardFacts(
                context.run,
                context.gate_selection.get("name"),
                context.segmenter_selection.get("name"),
                context.class_names,
                context.data_quality,
                decision,
                robust=len(context.robustness) > 0,
            )
        ),
        run=provenance(context.run),
    )
    # Names of files may hold what UTF-8 cannot write.
    return html.encode("utf-8", "replace").decode("utf-8")


def _data_uri(picture: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"


def _photo_uri(picture: bytes) -> str:
    """Write a contact sheet of photographs, a fifth as large as its PNG."""
    jpeg = gallery.as_jpeg(picture)
    return _data_uri(jpeg, "png" if jpeg is picture else "jpeg")


def _is_wide(png: bytes) -> bool:
    """Whether a picture deserves a row of its own; a PNG's size stands in bytes 16 to 24."""
    return int.from_bytes(png[16:20]) > 1.4 * int.from_bytes(png[20:24])


# --- the decision and the tables ------------------------------------------------------------


def _decision(context: ReportContext) -> Decision:
    names = context.gate_selection.get("name"), context.segmenter_selection.get("name")
    return decide(
        evidence_from(
            context.classification_comparison,
            context.segmentation_comparison,
            names,
            (_gate_point(context), context.together),
            context.lookup_baseline,
            context.false_alarm_target,
        )
    )


def _gallery_page(context: ReportContext) -> dict[str, Any]:
    """Return the pictures that fit, the choices among them, and how many they are of."""
    photos = [*context.data_figures.values(), context.grad_cam, context.mistake_sheets]
    photos += [context.changed_sheets] if len(context.changed_verdicts) else []
    others = [*context.figures.values(), *(gallery.as_jpeg(photo) for photo in photos)]
    shown = gallery.fit_into(context.pictures, gallery.room_left(others))
    outcomes, classes = gallery.filters(shown, context.class_names)
    return {
        "pictures": [(picture, _data_uri(picture.jpeg, "jpeg")) for picture in shown],
        "filters": [("Outcome", "outcome", outcomes), ("Class", "class", classes)],
        "empty": gallery.empty_pairs(shown, outcomes, classes),
        "sentence": gallery.shown_sentence(shown, context.sheet_totals),
    }


def _headlines(context: ReportContext) -> list[wording.Headline]:
    gate = wording.gate_headline(
        context.gate_selection, context.classification_comparison, context.operating_points
    )
    segmenter = wording.segmenter_headline(
        context.segmenter_selection, context.segmentation_comparison
    )
    return [gate, segmenter]


def _gate_point(context: ReportContext) -> Mapping[str, Any]:
    """Return the chosen gate's operating point; empty where there is none."""
    return context.operating_points.get(str(context.gate_selection.get("name")), {})


def _comparisons(context: ReportContext) -> list[tuple[str, Table | None, str]]:
    """Return headings, tables and what to say in place of an empty one."""
    gate, segmenter = context.gate_selection.get("name"), context.segmenter_selection.get("name")
    return [
        *gate_tables.classifier_sections(context.classification_comparison, gate),
        *gate_tables.operating_point_sections(context.operating_points, gate),
        *segmenter_sections(context.segmentation_comparison, segmenter),
        (
            "Defect classes",
            tables.from_frame(
                "Each class on its own", context.per_class, {"architecture": segmenter}
            ),
            "No class was evaluated.",
        ),
    ]


def _compared_page(context: ReportContext) -> dict[str, Any] | None:
    """Return what became of an earlier version; None where there is nothing to compare with."""
    chosen = {
        "gate": context.gate_selection.get("name"),
        "segmenter": context.segmenter_selection.get("name"),
    }
    page = comparison_section(context.run_comparison, context.changed_verdicts, chosen)
    return page and page | {
        "sheets": _photo_uri(context.changed_sheets) if len(context.changed_verdicts) else ""
    }


def _gate_page(context: ReportContext) -> dict[str, Any]:
    """Return what explains the gate: where it looks, and where it is confidently wrong."""
    table = tables.from_frame("The most certain first", context.mistakes)
    return {
        "attention": context.attention,
        "grad_cam": _photo_uri(context.grad_cam) if context.grad_cam else "",
        "mistakes": table,
        "mistake_sheets": _photo_uri(context.mistake_sheets) if table else "",
    }
