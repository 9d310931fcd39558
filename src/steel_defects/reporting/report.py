"""The report: one HTML file that holds its pictures and style and asks the network for nothing."""

import base64
from dataclasses import replace
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from steel_defects.reporting import data_page, tables
from steel_defects.reporting.comparison import Part, changes, comparison_parts
from steel_defects.reporting.context import DataFindings, ReportContext
from steel_defects.reporting.decision import decide
from steel_defects.reporting.gallery import Gallery, as_jpeg, make_gallery
from steel_defects.reporting.headlines import absent_sheets, headlines, proof, worse_pictures
from steel_defects.reporting.tables import from_frame, from_records

#: What identifies a model, and the words before it.
_IDENTITY = {"run_id": "version", "git_revision": "code", "started_at": "made"}


class Section:
    """A page of the report: its anchor, its name, and what its template shows.

    The template is ``<key>.html.jinja``; beside ``content`` it may use the report's ``context``.
    """

    def __init__(self, key: str, name: str, **content: Any) -> None:
        self.key, self.name, self.content = key, name, content


def render_report(context: ReportContext) -> str:
    """Write the report as an HTML document."""
    environment = Environment(
        loader=PackageLoader("steel_defects.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["cell"] = tables.cell
    environment.filters["data_uri"] = _data_uri
    environment.tests["wide"] = _is_wide
    context = _with_jpegs(context)
    html = environment.get_template("report.html.jinja").render(
        context=context, run_line=data_page.run_line(context.run), sections=_sections(context)
    )
    # Names of files may hold what UTF-8 cannot write.
    return html.encode("utf-8", "replace").decode("utf-8")


def _with_jpegs(context: ReportContext) -> ReportContext:
    """Turn contact sheets of photographs into JPEG files, a fifth as large as PNG files."""
    data, explained, earlier = context.data, context.explained, context.earlier
    mistakes, changed = len(explained.mistakes), len(earlier.changed_verdicts)
    return replace(
        context,
        data=replace(data, oddest_sheets=as_jpeg(data.oddest_sheets)),
        explained=replace(
            explained,
            grad_cam=as_jpeg(explained.grad_cam),
            mistake_sheets=as_jpeg(explained.mistake_sheets) if mistakes else b"",
        ),
        earlier=replace(
            earlier, changed_sheets=as_jpeg(earlier.changed_sheets) if changed else b""
        ),
    )


def _make_gallery(context: ReportContext) -> Gallery:
    others = [
        *context.figures.values(),
        context.data.oddest_sheets,
        context.explained.grad_cam,
        context.explained.mistake_sheets,
        context.earlier.changed_sheets,
    ]
    sheets = context.shown
    return make_gallery(sheets.pictures, others, sheets.totals, context.class_names)


def _data_uri(picture: bytes) -> str:
    kind = "jpeg" if picture.startswith(b"\xff\xd8") else "png"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"


def _is_wide(png: bytes) -> bool:
    """Whether a picture deserves a row of its own; a PNG's size stands in bytes 16 to 24."""
    return int.from_bytes(png[16:20]) > 1.4 * int.from_bytes(png[20:24])


def _sections(context: ReportContext) -> list[Section]:
    """Return the pages in order: the answer, then pictures of sheets, then all figures."""
    decision, before = decide(context), changes(context)
    return [
        Section(
            "decision",
            "Decision",
            decision=decision,
            absent=absent_sheets(context.shown.totals),
            headlines=headlines(context),
        ),
        Section("overlays", "Sheets", gallery=_make_gallery(context)),
        Section("targets", "Targets", decision=decision, proof=proof(context.gate_point)),
        Section("comparison", "Comparison", parts=comparison_parts(context)),
        *([Section("compared", "Before and after", changes=before)] if before else []),
        Section("figures", "Figures"),
        Section(
            "gate",
            "The gate, explained",
            mistakes=from_frame("The most certain first", context.explained.mistakes),
        ),
        Section(
            "robustness",
            "Size and robustness",
            sentence=worse_pictures(context.robustness),
            table=from_frame(
                "Each level of each corruption, at the operating point", context.robustness
            ),
        ),
        _data_section(context.data),
        Section(
            "card",
            "Model card",
            decision=decision,
            identity=", ".join(
                f"{words} {context.run[key]}"
                for key, words in _IDENTITY.items()
                if context.run.get(key)
            ),
        ),
        Section(
            "provenance",
            "Provenance",
            page=data_page.provenance(context.run),
            parameters=data_page.parameters_text(context.run),
        ),
    ]


def _data_section(data: DataFindings) -> Section:
    findings = data.quality.get("quarantined") or []
    tables = {
        "Nearest training sheet of held-out sheets": data.leakage,
        "What a lookup of the nearest training sheet scores": data.lookup_baseline,
    }
    return Section(
        "data",
        "Data",
        page=data_page.data_page(data.quality),
        further=[
            Part(name, from_frame(name, table))
            for name, table in tables.items()
            if len(table.columns)
        ],
        findings=len(findings),
        quarantined=from_records("Findings and their reasons", findings),
    )
