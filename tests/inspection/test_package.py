import json
from pathlib import Path

import pytest

from steel_defects.errors import SteelDefectsError
from steel_defects.inspection.package import MANIFEST, read_package, write_package


def change(folder: Path, **values: object) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | values))


def refusal(folder: Path) -> str:
    with pytest.raises(SteelDefectsError) as error:
        read_package(folder)
    message = str(error.value)
    assert "\n" not in message
    assert str(folder) in message
    return message


def test_package_comes_back(package):
    again = read_package(package.folder)
    assert again == package
    assert set(again.manifest.files) == {"gate.keras", "segmenter.keras"}
    assert again.path("gate.keras").read_bytes() == b"gate"


def test_ids_follow_files_and_thresholds(package, manifest, tmp_path):
    writers = {name: package.path(name).read_bytes() for name in package.manifest.files}

    def written(changed, **contents: bytes):
        files = writers | {name.replace("_", "."): data for name, data in contents.items()}
        return write_package(
            tmp_path / "other",
            changed,
            {name: lambda path, data=data: path.write_bytes(data) for name, data in files.items()},
        )

    assert written(manifest).model_id == package.model_id
    assert written(manifest, gate_keras=b"new").model_id != package.model_id
    gate = manifest.gate.model_copy(update={"lower_threshold": 0.3})
    stricter = written(manifest.model_copy(update={"gate": gate}))
    assert stricter.model_id == package.model_id
    assert stricter.thresholds_id != package.thresholds_id


def test_a_package_that_fails_leaves_the_earlier_one(package, manifest):
    def fails(path: Path) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_package(package.folder, manifest, {"segmenter.keras": fails})
    assert read_package(package.folder) == package


def test_missing_package(tmp_path):
    assert "no model package" in refusal(tmp_path / "nowhere")


def test_damaged_file(package):
    package.path("gate.keras").write_bytes(b"gatf")
    assert "checksum" in refusal(package.folder)


def test_missing_file(package):
    package.path("segmenter.keras").unlink()
    assert "lacks its file segmenter.keras" in refusal(package.folder)


@pytest.mark.parametrize("outside", ["../stolen.keras", "/etc/hostname"])
def test_files_outside_the_package_are_not_touched(package, outside):
    (package.folder.parent / "stolen.keras").write_bytes(b"gate")
    digest = package.manifest.files["gate.keras"]
    change(package.folder, files=dict(package.manifest.files) | {outside: digest})
    assert "lacks its file" in refusal(package.folder)


def test_a_network_without_a_checksum_is_refused(package):
    files = {"segmenter.keras": package.manifest.files["segmenter.keras"]}
    change(package.folder, files=files)
    assert "no checksum for gate.keras" in refusal(package.folder)


@pytest.mark.parametrize("changes", [{"mm_per_px": -1}, {"surprise": 1}, {"format": 2}])
def test_manifest_that_does_not_fit(package, changes):
    change(package.folder, **changes)
    message = refusal(package.folder)
    assert "is not a model package" in message
    assert next(iter(changes)) in message


def test_manifest_that_is_not_json(package):
    (package.folder / MANIFEST).write_text("{")
    assert "is not a model package" in refusal(package.folder)
