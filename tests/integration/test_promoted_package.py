"""From a trained package to the promoted one that inspection takes."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
from tests.support.projects import Project

from steel_defects.inspection.cascade import Cascade, inspect_folder
from steel_defects.inspection.config import InspectionConfig
from steel_defects.inspection.known_sheets import judge_known_sheets, judged_sheets
from steel_defects.package.folder import DECISION, ModelPackage, read_package
from steel_defects.package.learned import learned_by
from steel_defects.package.runtimes import load_runtime
from steel_defects.package.versions import write_version

LATER = "2099-01-01T00.00.00.000Z"


def test_a_promoted_package_is_what_inspection_takes(copied_run: Project) -> None:
    project, catalog = copied_run, copied_run.catalog
    versions = catalog.load("package_versions")
    (first,) = versions.names
    splits, sheets = catalog.load("splits"), catalog.load("sheets")
    unseen = sheets["sheet_id"].isin(splits.loc[splits["split"] == "test", "sheet_id"])
    learned = learned_by(versions.open(first))
    assert [digest[:16] in learned for digest in sheets["sha256"]] == (~unseen).tolist()

    asked = "--params=reason=first line: it runs,by=007"
    project.must_run("--pipelines=promotion", asked)
    promoted = read_package(project.data / "09_release" / "promoted_package")
    decision = json.loads(promoted.read(DECISION))
    assert (decision["candidate"], decision["by"]) == (first, "007")
    assert decision["reason"] == "first line: it runs"

    # The same networks for another camera: a version of its own, which needs no comparison.
    project.must_run("--pipelines=segmentation", "--nodes=build_package", "--params=mm_per_px=0.5")
    newest = versions.names[0]
    assert len(versions.names) == 2
    done = project.run("--pipelines=inspection")
    assert done.returncode == 0, done.stderr
    assert "promoted_package (version" in " ".join(done.stdout.split()), done.stdout
    assert project.catalog.load("inspection_summary")["package_version"] == first
    project.must_run("--pipelines=promotion", asked)
    assert project.catalog.load("inspection_package").manifest.version == newest
    again = project.run("--pipelines=promotion", asked)
    assert again.returncode == 1
    assert again.stderr.splitlines()[0].startswith(f"Error: version {newest} is the promoted one")
    unknown = project.run("--pipelines=promotion", f"{asked},candidate=2025-01-01")
    assert f"there are {newest}, {first} (" in unknown.stderr
    assert len(unknown.stderr.splitlines()) == 1

    # Other thresholds, and too few sheets to compare on: refused in one line, and logged.
    package = versions.open(newest)
    gate = package.manifest.gate.model_copy(update={"lower_threshold": 0.0})
    writers = {name: partial(package.copy, name) for name in package.manifest.files}
    changed = package.manifest.model_copy(update={"gate": gate})
    write_version(project.data / "09_release" / "model_package", LATER, changed, writers)
    refused = project.run("--pipelines=promotion", asked)
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert "test sheets are new to both packages, and 50 are needed" in line
    log = project.catalog.load("promotions")
    assert log["taken"].tolist() == [True, True, False]
    assert project.catalog.load("inspection_package").manifest.version == newest


def test_known_sheets_are_judged_as_inspection_judges_them(small_run: Project) -> None:
    catalog = small_run.catalog
    package, folder = catalog.load("model_package"), catalog.load("raw_sheets")
    config = InspectionConfig.model_validate(catalog.load("params:inspection"))
    scores = [sheet.gate_score for sheet in inspect_folder(_cascade(package, config), folder)]
    # Whatever a few steps of training taught, the gate accepts some sheets and doubts the others.
    middle = float(np.median([score for score in scores if score is not None]))
    thresholds = {"lower_threshold": middle, "upper_threshold": middle}
    gate = package.manifest.gate.model_copy(update=thresholds)
    package = replace(package, manifest=package.manifest.model_copy(update={"gate": gate}))

    expected = judged_sheets(inspect_folder(_cascade(package, config), folder))
    found = judge_known_sheets(package, folder, expected.verdicts["sheet_id"].tolist(), config)
    assert found.verdicts.equals(expected.verdicts) and found.masks.equals(expected.masks)
    assert set(found.verdicts["verdict"]) > {"accept"} and len(found.verdicts) == 24


def _cascade(package: ModelPackage, config: InspectionConfig) -> Cascade:
    return Cascade(package, load_runtime(package, "keras"), config)
