import hashlib
import json
import subprocess
from functools import partial
from pathlib import Path

import pytest

from steel_defects.errors import SteelDefectsError
from steel_defects.package.folder import CHECKSUM, read_package, write_package
from steel_defects.package.manifest import MANIFEST

DEEP = "[" * 900 + "]" * 900


def rewrite(folder: Path, text: str) -> None:
    """Replace the manifest, and its checksum."""
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()
    (folder / CHECKSUM).write_text(f"{digest}  {MANIFEST}\n", encoding="utf-8")


def change(folder: Path, **values: object) -> None:
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    rewrite(folder, json.dumps(manifest | values))


def writers(**contents: bytes) -> dict:
    """Return what writes files, such as gate.keras for gate."""

    def write(path: Path, data: bytes) -> None:
        path.write_bytes(data)

    return {f"{name}.keras": partial(write, data=data) for name, data in contents.items()}


def refusal(folder: Path) -> str:
    with pytest.raises(SteelDefectsError) as error:
        read_package(folder)
    message = str(error.value)
    assert message.isprintable()
    assert len(message) < 500
    assert str(folder) in message
    return message


def test_package_comes_back(package):
    again = read_package(package.folder)
    assert again == package
    assert set(again.manifest.files) == {"gate.keras", "segmenter.keras"}
    assert again.path("gate.keras").read_bytes() == b"gate"


def test_ids_follow_files_and_thresholds(package, manifest, tmp_path):
    def written(changed, gate: bytes = b"gate"):
        files = writers(gate=gate, segmenter=b"segmenter")
        return write_package(tmp_path / "other", changed, files)

    assert written(manifest).model_id == package.model_id
    assert written(manifest, gate=b"new").model_id != package.model_id
    known = manifest.model_copy(update={"networks": {"gate": "a", "segmenter": "b"}})
    assert written(known).model_id == written(known, gate=b"another date").model_id
    assert written(known).model_id != package.model_id
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
    assert names(package.folder) == {"gate.keras", "segmenter.keras", MANIFEST, CHECKSUM}


@pytest.mark.parametrize("moved", range(3))
def test_a_write_that_is_killed_leaves_the_new_package_once_it_is_whole(
    package, manifest, monkeypatch, moved
):
    replace, calls = Path.replace, iter(range(moved))

    def killed(path: Path, target: Path) -> Path:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return replace(path, target)

    gateless = manifest.model_copy(update={"gate": None})
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "replace", killed)
        write_package(package.folder, gateless, writers(segmenter=b"new"))
    again = read_package(package.folder)
    assert again.manifest.gate is None
    assert again.read("segmenter.keras") == b"new"
    write_package(package.folder, gateless, writers(segmenter=b"newer"))
    assert read_package(package.folder).read("segmenter.keras") == b"newer"
    assert names(package.folder) == {"segmenter.keras", MANIFEST, CHECKSUM}


def test_what_a_killed_write_had_begun_is_not_used(package, manifest):
    begun = package.folder / ".unfinished"
    begun.mkdir()
    (begun / "gate.keras").write_bytes(b"half")
    assert read_package(package.folder) == package
    write_package(package.folder, manifest, writers(gate=b"gate", segmenter=b"segmenter"))
    assert read_package(package.folder) == package
    assert not begun.exists()


def test_the_folder_may_be_a_link_and_keeps_what_is_not_of_the_package(package, manifest, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(package.folder)
    (package.folder / "README.md").write_text("card", encoding="utf-8")
    write_package(link, manifest, writers(gate=b"new", segmenter=b"segmenter"))
    assert link.is_symlink()
    assert read_package(package.folder).read("gate.keras") == b"new"
    assert (package.folder / "README.md").read_text(encoding="utf-8") == "card"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_sha256sum_takes_the_checksum(package):
    command = ["sha256sum", "--check", "--status", CHECKSUM]
    assert subprocess.run(command, cwd=package.folder, check=False).returncode == 0


def test_a_manifest_without_its_checksum_is_read_with_a_warning(package, caplog):
    (package.folder / CHECKSUM).unlink()
    with caplog.at_level("WARNING"):
        assert read_package(package.folder) == package
    assert [CHECKSUM in record.getMessage() for record in caplog.records] == [True]


def test_a_manifest_that_was_changed_is_refused(package):
    text = (package.folder / MANIFEST).read_text(encoding="utf-8")
    (package.folder / MANIFEST).write_text(text.replace("0.2", "0.3"), encoding="utf-8")
    assert "not what was written" in refusal(package.folder)


def test_a_manifest_that_would_be_refused_is_not_written(package, manifest):
    gate = manifest.gate.model_copy(update={"lower_threshold": float("nan")})
    with pytest.raises(SteelDefectsError, match=r"gate\.lower_threshold"):
        write_package(package.folder, manifest.model_copy(update={"gate": gate}), {})
    assert read_package(package.folder) == package


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"lower_threshold": 0.2', '"lower_threshold": 4.408', "gate.lower_threshold"),
        ('"lower_threshold": 0.2', '"lower_threshold": NaN', "NaN"),
        ('"lower_threshold": 0.2', '"lower_threshold": 0.9', "above upper_threshold"),
        ('"lower_threshold": 0.2', '"lower_threshold": "0.2"', "gate.lower_threshold"),
        ('"bias": 0.0', '"bias": 1e999', "1e999"),
        ('"bias": 0.0', '"bias": "inf"', "gate.bias"),
        ('"bias": 0.0', '"bias": 0.0, "bias": 1.0', "bias is given twice"),
        ('"input_size": [32, 64]', '"input_size": [0, 64]', "gate.input_size"),
        ('"min_area_px": 4', '"min_area_px": 1' + "0" * 5000, "not a number below 2^53"),
        ('"stride": 32', '"stride": 1000000000000', "segmenter.stride"),
        ('"class_names": ["pitting", "crack"]', '"class_names": ["pitting"]', "2 entries for 1"),
        ('"class_names": ["pitting", "crack"]', '"class_names": []', "class_names"),
        ('"reference": {}', '"reference": {"sharpness": []}', "reference.sharpness"),
        ('"reference": {}', '"reference": {"sharpness": [2.0, 1.0]}', "must not fall"),
        ('"reference": {}', f'"reference": {{"sharpness": {DEEP}}}', "recursion limit"),
        ('"metrics": {}', '"metrics": ' + "[" * 100_000, "nested too deeply"),
        ('"file": "gate.keras"', '"file": "gate\\u0000.keras"', "gate.file"),
        ('"file": "gate.keras"', '"file": "gate\\ud800.keras"', "hex escape"),
        ('"gate.keras":', '"gate\\u0000":', "files.gate\\x00"),
        ('"gate.keras":', f'"{"g" * 5000}":', "ggg…"),
        ('"gate.keras":', '"..":', "files"),
        ('"gate.keras":', '"":', "files"),
        ('"gate.keras":', f'"{MANIFEST}":', "files"),
    ],
)  # fmt: skip
def test_values_that_cannot_be_used(package, old, new, reason):
    text = json.dumps(json.loads((package.folder / MANIFEST).read_text(encoding="utf-8")))
    assert old in text
    rewrite(package.folder, text.replace(old, new))
    message = refusal(package.folder)
    assert "is not a model package" in message
    assert reason in message


def test_sheets_of_an_export_must_be_multiples_of_the_gate_s(package):
    export = {"network": "gate", "runtime": "onnx", "precision": "fp32", "files": ["gate.keras"]}
    change(package.folder, exports=[export | {"sheet_size": [32, 65]}])
    assert "sheet_size of onnx_fp32" in refusal(package.folder)


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
    assert "not a name that a file of a package can have" in refusal(package.folder)


def test_a_link_out_of_the_package_is_not_followed(package, tmp_path):
    (tmp_path / "elsewhere.keras").write_bytes(b"gate")
    package.path("gate.keras").unlink()
    package.path("gate.keras").symlink_to(tmp_path / "elsewhere.keras")
    assert "lacks its file gate.keras" in refusal(package.folder)


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
    rewrite(package.folder, "{")
    assert "is not a model package" in refusal(package.folder)
