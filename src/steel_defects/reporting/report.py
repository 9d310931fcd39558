"""The report: one HTML file that holds its pictures and style and asks the network for nothing."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from steel_defects.reporting import tables
from steel_defects.reporting.comparison import Part, changes, comparison_parts
from steel_defects.reporting.context import DataFindings, ReportContext
from steel_defects.reporting.decision import decide
from steel_defects.reporting.gallery import Gallery, make_gallery
from steel_defects.reporting.headlines import absent_sheets, headlines, proof, worse_pictures
from steel_defects.reporting.learning_curve import curve_sentences
from steel_defects.reporting.tables import from_frame, from_records, title_of
from steel_defects.tables.columns import SPLIT_NAMES

#: What identifies a model, and the words before it.
_IDENTITY = {"run_id": "version", "git_revision": "code", "started_at": "made"}
#: What identifies a run, and the words before it.
_RUN = {"run_id": "Run", "environment": "environment", "started_at": "started"}
_RUN_FACTS = ("run_id", "started_at", "environment", "git_revision")
#: Known only when the run has ended, and the report is written before.
_OPEN = ("status", "data_fingerprint", "finished_at")
_DATA_ROWS = 40  # of a list about the data: a page is read, not searched
_ENTRIES = 500  # of a dictionary


class Section:
    """A page of the report: its anchor, its name, and what its template shows.

    The template is ``<key>.html.jinja``; beside ``content`` it may use the report's ``context``.
    """

    def __init__(self, key: str, name: str, **content: Any) -> None:
        self.key, self.name, self.content = key, name, content


def page_templates() -> Environment:
    """Return what renders the templates of pages."""
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
    return environment


def render_report(context: ReportContext) -> str:
    """Write the report as an HTML document."""
    html = (
        page_templates()
        .get_template("report.html.jinja")
        .render(context=context, run_line=run_line(context.run), sections=_sections(context))
    )
    # Names of files may hold what UTF-8 cannot write.
    return html.encode("utf-8", "replace").decode("utf-8")


def _data_uri(picture: bytes) -> str:
    kind = "jpeg" if picture.startswith(b"\xff\xd8") else "png"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"


def _is_wide(png: bytes) -> bool:
    """Whether a picture deserves a row of its own; a PNG's size stands in bytes 16 to 24."""
    return int.from_bytes(png[16:20]) > 1.4 * int.from_bytes(png[20:24])


def _sections(context: ReportContext) -> list[Section]:
    """Return the pages in order: the answer, then pictures of sheets, then all figures."""
    decision, before, run = decide(context), changes(context), context.run
    gate = context.gate.name is not None
    mistakes = from_frame("The most certain first", context.explained.mistakes)
    caption = "Each level of each corruption, at the operating point"
    robustness, parameters = from_frame(caption, context.robustness), run.get("parameters")
    return [
        Section(
            "decision",
            "Decision",
            decision=decision,
            absent=absent_sheets(context.shown.totals, gate),
            headlines=headlines(context),
        ),
        Section("overlays", "Sheets", gallery=_make_gallery(context)),
        Section("targets", "Targets", decision=decision, proof=proof(context.gate_point)),
        Section("comparison", "Comparison", parts=comparison_parts(context)),
        *([Section("compared", "Before and after", changes=before)] if before else []),
        Section("figures", "Figures"),
        *_learning_curve_section(context.learning_curve.table),
        *([Section("gate", "The gate, explained", mistakes=mistakes)] if gate else []),
        Section(
            "robustness",
            "Size and robustness",
            sentence=worse_pictures(context.robustness, gate),
            table=robustness,
        ),
        _data_section(context.data),
        Section("card", "Model card", decision=decision, identity=_words(_IDENTITY, run, ", ")),
        Section(
            "provenance",
            "Provenance",
            page=provenance(run),
            parameters=json.dumps(parameters, indent=2, default=str) if parameters else "",
        ),
    ]


def _learning_curve_section(table: pd.DataFrame) -> list[Section]:
    if table.empty:
        return []
    caption = "Each training, with the 95 % interval of its figure"
    sentences, rows = curve_sentences(table), from_frame(caption, table)
    return [Section("learning_curve", "More sheets", sentences=sentences, table=rows)]


def _make_gallery(context: ReportContext) -> Gallery:
    explained, sheets = context.explained, context.shown
    others = [*context.figures.values(), explained.grad_cam, explained.mistake_sheets]
    others += [context.data.oddest_sheets, context.earlier.changed_sheets]
    others += [context.learning_curve.figure]
    return make_gallery(sheets.pictures, others, sheets.totals, context.class_names)


def _words(words: Mapping[str, str], run: Mapping[str, Any], between: str) -> str:
    return between.join(f"{word} {run[key]}" for key, word in words.items() if run.get(key))


# --- the data, and the run --------------------------------------------------------------------


@dataclass(frozen=True)
class FactSheet:
    """Single facts with their names, and tables under their headings."""

    facts: list[tuple[str, str]]
    parts: list[Part]


def _data_section(data: DataFindings) -> Section:
    findings = data.quality.get("quarantined") or []
    further = {
        "Nearest training sheet of held-out sheets": data.leakage,
        "What a lookup of the nearest training sheet scores": data.lookup_baseline,
    }
    return Section(
        "data",
        "Data",
        page=data_page(data.quality),
        further=[
            Part(name, from_frame(name, table))
            for name, table in further.items()
            if len(table.columns)
        ],
        findings=len(findings),
        quarantined=from_records("Findings and their reasons", findings),
    )


def data_page(quality: Mapping[str, Any]) -> FactSheet:
    """Sort what data engineering noted into single facts and tables, without the quarantine."""
    values = {key: value for key, value in quality.items() if key != "quarantined"}
    if isinstance(values.get("splits"), list):
        order = {name: number for number, name in enumerate(SPLIT_NAMES)}
        values["splits"] = sorted(values["splits"], key=lambda row: order[row["split"]])
    facts = [
        (title_of(key), tables.cell(key, value))
        for key, value in values.items()
        if not _is_structure(value)
    ]
    return FactSheet(facts, _parts(values))


def _is_structure(value: object) -> bool:
    return isinstance(value, (Mapping, list, tuple))


def _parts(values: Mapping[str, Any]) -> list[Part]:
    """Turn what is no single fact into tables."""
    parts = []
    for key, value in values.items():
        if _is_structure(value):
            caption, most = title_of(key), _ENTRIES if isinstance(value, Mapping) else _DATA_ROWS
            parts.append(Part(caption.capitalize(), from_records(caption, value, most)))
    return parts


def run_line(run: Mapping[str, Any]) -> str:
    """Return the line below the report's heading."""
    moments = {key: _moment(run[key]) for key in _RUN if run.get(key)}
    return _words(_RUN, moments, " · ") or "The run was not recorded."


def _moment(value: object) -> str:
    """Write a moment as people do; anything else as it is."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return str(value)
    return f"{moment:%Y-%m-%d %H:%M}" + (" UTC" if moment.utcoffset() == timedelta() else "")


def provenance(run: Mapping[str, Any]) -> FactSheet:
    """Sort a run's record into single facts (the usual ones always) and tables."""
    facts = {key: run.get(key) for key in _RUN_FACTS} | {
        key: value
        for key, value in run.items()
        if not _is_structure(value) and not (key in _OPEN and value in (None, "running"))
    }
    return FactSheet(
        [(title_of(k), _moment(v) if v else "not recorded") for k, v in facts.items()],
        _parts({key: value for key, value in run.items() if key != "parameters"}),
    )
