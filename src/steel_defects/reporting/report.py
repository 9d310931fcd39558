"""The report: one HTML file that needs nothing beside it and asks the network for nothing."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from steel_defects.reporting import gate_tables, tables, wording
from steel_defects.reporting.tables import Table

_DATA_ROWS = 40  # of a list about the data: a page is read, not searched
_RUN_FACTS = ("run_id", "started_at", "environment", "git_revision", "data_fingerprint")


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
        data_quality: Counts, tables and lists in any form; ``quarantined`` lists findings.
        data_tables: Further tables about the data, by heading.
        data_figures: PNG pictures about the data, by title.
        figures: PNG pictures by title.
        attention: Whether the gate looks at the defects, in a sentence.
        grad_cam: PNG picture of where it looks; empty for none.
        mistakes: The gate's most confident mistakes, one row a sheet.
        mistake_sheets: PNG picture of them; empty for none.
        overlays: JPEG picture and caption by name.
    """

    title: str
    run: Mapping[str, Any]
    classification_comparison: pd.DataFrame
    segmentation_comparison: pd.DataFrame
    per_class: pd.DataFrame
    gate_selection: Mapping[str, Any]
    segmenter_selection: Mapping[str, Any]
    operating_points: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    data_quality: Mapping[str, Any] = field(default_factory=dict)
    data_tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    data_figures: Mapping[str, bytes] = field(default_factory=dict)
    figures: Mapping[str, bytes] = field(default_factory=dict)
    attention: str = ""
    grad_cam: bytes = b""
    mistakes: pd.DataFrame = field(default_factory=pd.DataFrame)
    mistake_sheets: bytes = b""
    overlays: Mapping[str, tuple[bytes, str]] = field(default_factory=dict)


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
    html = environment.get_template("report.html.jinja").render(
        title=context.title,
        run_line=_run_line(context.run),
        headlines=_headlines(context),
        proof=wording.proof(_gate_point(context)),
        proven=bool(_gate_point(context).get("proven")),
        comparisons=_comparisons(context),
        figures=[
            (title, _data_uri(png, "png"), _is_wide(png)) for title, png in context.figures.items()
        ],
        gate=_gate_page(context),
        overlays=[
            (name, _data_uri(jpeg, "jpeg"), caption)
            for name, (jpeg, caption) in context.overlays.items()
        ],
        data=_data_page(context.data_quality)
        | {
            "further": [
                (heading, tables.from_frame(heading, table))
                for heading, table in context.data_tables.items()
            ],
            "figures": [
                (title, _data_uri(png, "png")) for title, png in context.data_figures.items()
            ],
        },
        run=_provenance(context.run),
    )
    # Names of files may hold what UTF-8 cannot write.
    return html.encode("utf-8", "replace").decode("utf-8")


def _data_uri(picture: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"


def _is_wide(png: bytes) -> bool:
    """Whether a picture deserves a row of its own; a PNG's size stands in bytes 16 to 24."""
    return int.from_bytes(png[16:20]) > 1.4 * int.from_bytes(png[20:24])


# --- the decision and the tables ------------------------------------------------------------


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
        (
            "Segmenters",
            tables.from_frame(
                "Architectures", context.segmentation_comparison, {"architecture": segmenter}
            ),
            "No segmenter was compared.",
        ),
        (
            "Defect classes",
            tables.from_frame(
                "Each class on its own", context.per_class, {"architecture": segmenter}
            ),
            "No class was evaluated.",
        ),
    ]


def _gate_page(context: ReportContext) -> dict[str, Any]:
    """Return what explains the gate: where it looks, and where it is confidently wrong."""
    table = tables.from_frame("The most certain first", context.mistakes)
    return {
        "attention": context.attention,
        "grad_cam": _data_uri(context.grad_cam, "png") if context.grad_cam else "",
        "mistakes": table,
        "mistake_sheets": _data_uri(context.mistake_sheets, "png") if table else "",
    }


# --- data and provenance --------------------------------------------------------------------


def _data_page(quality: Mapping[str, Any]) -> dict[str, Any]:
    """Sort what data engineering found into single facts, tables, and the quarantine."""
    rest = {str(key): value for key, value in quality.items() if key != "quarantined"}
    found = {key: value for key, value in rest.items() if _is_structure(value)}
    findings = list(quality.get("quarantined") or [])
    return {
        "facts": [(tables.label(k), tables.cell(k, v)) for k, v in rest.items() if k not in found],
        "tables": [
            (tables.label(key).capitalize(), _structure(key, value)) for key, value in found.items()
        ],
        "findings": len(findings),
        "quarantined": tables.from_records("Findings and their reasons", findings),
    }


def _is_structure(value: object) -> bool:
    listed = isinstance(value, Sequence) and not isinstance(value, str)
    return isinstance(value, (Mapping, pd.DataFrame)) or listed


def _structure(name: str, value: Any) -> Table | None:
    caption = tables.label(name)
    if isinstance(value, pd.DataFrame):
        return tables.from_frame(caption, value)
    if isinstance(value, Mapping):
        return tables.from_mapping(caption, value)
    return tables.from_records(caption, list(value), _DATA_ROWS)


def _run_line(run: Mapping[str, Any]) -> str:
    known = [str(run[key]) for key in ("run_id", "environment", "started_at") if run.get(key)]
    return " · ".join(known) if known else "The run was not recorded."


def _provenance(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return single facts (the usual ones always), tables, and the parameters as JSON."""
    facts = {key: run.get(key) for key in _RUN_FACTS} | {
        str(key): value for key, value in run.items() if not _is_structure(value)
    }
    structures = {str(k): v for k, v in run.items() if _is_structure(v) and k != "parameters"}
    parameters = run.get("parameters")
    return {
        "facts": [(tables.label(k), str(v) if v else "not recorded") for k, v in facts.items()],
        "tables": [
            (tables.label(key).capitalize(), _structure(key, value))
            for key, value in structures.items()
        ],
        "parameters": json.dumps(parameters, indent=2, default=str) if parameters else "",
    }
