"""Versions of a package beside the newest."""

import os
from functools import partial
from pathlib import Path

import pytest

from steel_defects.errors import SteelDefectsError
from steel_defects.package import versions as module
from steel_defects.package.folder import (
    DECISION,
    LEARNED_SHEETS,
    find_packages,
    has_package,
    read_package,
    write_package,
    write_text,
)
from steel_defects.package.manifest import Manifest
from steel_defects.package.versions import PackageVersions, check_version, write_version

FIRST, SECOND, THIRD = (f"2026-11-2{day}T05.52.16.188Z" for day in (6, 7, 8))


def contents(data: bytes = b"net") -> dict:
    names = ("gate.keras", "segmenter.keras")
    written = {name: partial(_write, data=data) for name in names}
    return written | {LEARNED_SHEETS: partial(write_text, "0123456789abcdef\n")}


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


@pytest.fixture
def newest(tmp_path: Path) -> Path:
    return tmp_path / "09_release" / "model_package"


@pytest.fixture
def versions(newest: Path) -> PackageVersions:
    return PackageVersions(newest.parent / "package_versions")


def named(manifest: Manifest, digest: str) -> Manifest:
    """A manifest that tells networks by what they compute."""
    return manifest.model_copy(update={"networks": {"gate": digest, "segmenter": digest}})


def test_the_newest_keeps_its_place_and_every_version_lies_beside(newest, versions, manifest):
    for version, data in ((FIRST, b"one"), (SECOND, b"two")):
        write_version(newest, version, manifest, contents(data))
    assert versions.names == [SECOND, FIRST]
    assert read_package(newest).manifest == versions.open(SECOND).manifest
    assert versions.open(SECOND).manifest.version == SECOND
    assert versions.open("newest").read("gate.keras") == b"two"
    assert versions.open(FIRST).read("gate.keras") == b"one"
    assert "version 2026-11-27" in read_package(newest).in_words


def test_versions_are_no_packages_to_choose_among(newest, manifest):
    project = newest.parents[1]
    place = project / "data" / "09_release" / "model_package"
    write_version(place, FIRST, manifest, contents())
    assert find_packages(project) == [place]


def test_a_package_that_says_the_same_makes_no_second_version(newest, versions, manifest):
    write_version(newest, FIRST, named(manifest, "a"), contents(b"saved on one day"))
    write_version(newest, SECOND, named(manifest, "a"), contents(b"saved on another"))
    assert versions.names == [FIRST]
    assert read_package(newest).manifest.version == FIRST
    other = {LEARNED_SHEETS: partial(write_text, "another\n")}
    write_version(newest, SECOND, named(manifest, "a"), contents() | other)
    write_version(newest, THIRD, named(manifest, "b"), contents())
    assert versions.names == [THIRD, SECOND, FIRST]


def test_without_digests_of_networks_the_files_count(newest, versions, manifest):
    for version, data in ((FIRST, b"one"), (SECOND, b"one"), (THIRD, b"two")):
        write_version(newest, version, manifest, contents(data))
    assert versions.names == [THIRD, FIRST]


def test_a_package_of_an_earlier_release_is_kept(newest, versions, manifest):
    earlier = write_package(newest, manifest, contents(b"earlier"))
    os.utime(newest / "package.json", (0, 1_700_000_000.25))
    write_version(newest, FIRST, manifest, contents())
    assert versions.names == [FIRST, "2023-11-14T22.13.20.250Z"]
    kept = versions.open("2023-11-14T22.13.20.250Z")
    assert kept.manifest == earlier.manifest and kept.read("gate.keras") == b"earlier"
    write_version(newest, SECOND, manifest, contents(b"new"))
    assert len(versions.names) == 3


def test_a_damaged_package_is_told_and_not_kept(newest, versions, manifest, caplog):
    write_package(newest, manifest, contents(b"earlier"))
    (newest / "gate.keras").write_bytes(b"damaged")
    write_version(newest, FIRST, manifest, contents())
    assert versions.names == [FIRST]
    assert "the package before this one is not kept" in caplog.text


@pytest.mark.parametrize("copied", [True, False])
def test_killed_in_between_there_is_a_whole_package(
    newest, versions, manifest, monkeypatch, copied
):
    write_version(newest, FIRST, manifest, contents(b"one"))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        if copied:  # the version is whole, and its copy never begins
            patched.setattr(module, "copy_package", killed)
            write_version(newest, SECOND, manifest, contents(b"two"))
        else:
            unfinished = contents(b"two") | {"segmenter.keras": killed}
            write_version(newest, SECOND, manifest, unfinished)
    assert read_package(newest).read("gate.keras") == b"one"
    assert versions.names == ([SECOND, FIRST] if copied else [FIRST])
    write_version(newest, THIRD, manifest, contents(b"three"))
    assert read_package(newest).manifest.version == THIRD
    assert {path.name for path in versions.folder.iterdir()} == set(versions.names)


def test_a_version_that_a_power_failure_left_half_written_does_not_count(
    newest, versions, manifest
):
    write_version(newest, FIRST, manifest, contents(b"one"))
    begun = versions.folder / SECOND / ".unfinished"
    begun.mkdir(parents=True)
    (begun / "gate.keras").write_bytes(b"half")
    assert versions.names == [FIRST] and not has_package(versions.folder / SECOND)
    write_version(newest, THIRD, manifest, contents(b"three"))
    assert not begun.parent.exists()


def test_a_version_that_there_is_not_is_answered_with_those_that_there_are(
    newest, versions, manifest
):
    with pytest.raises(SteelDefectsError, match=r"there is no version of .*; there are none yet"):
        versions.resolve("newest")
    for version, data in ((FIRST, b"one"), (SECOND, b"two")):
        write_version(newest, version, manifest, contents(data))
    with pytest.raises(
        SteelDefectsError, match=f"no version 2025 of .* there are {SECOND}, {FIRST}"
    ):
        versions.open("2025")
    with pytest.raises(SteelDefectsError, match="no version ../model_package of"):
        versions.open("../model_package")


def test_a_version_that_would_not_be_the_newest_is_refused_beforehand(newest, manifest):
    check_version(newest, FIRST)
    write_version(newest, SECOND, manifest, contents())
    check_version(newest, THIRD)
    with pytest.raises(SteelDefectsError, match="later than this run .*: a clock is wrong"):
        check_version(newest, FIRST)


def test_what_was_learned_and_decided_changes_no_model_id(newest, manifest):
    bare = {name: writer for name, writer in contents().items() if name != LEARNED_SHEETS}
    plain = write_package(newest, manifest, bare)
    told = bare | {name: partial(write_text, "{}") for name in (LEARNED_SHEETS, DECISION)}
    assert write_package(newest, manifest, told).model_id == plain.model_id
