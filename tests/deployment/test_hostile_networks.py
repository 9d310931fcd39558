"""Networks that are not those of their package, or that name files which were not checked."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from steel_defects.errors import SteelDefectsError
from steel_defects.package.folder import ModelPackage, read_package, write_package
from steel_defects.package.manifest import ExportSpec, Manifest, ParityResult
from steel_defects.package.runtimes import load_runtime

pytestmark = pytest.mark.slow

WEIGHTS = np.full((1, 1, 1, 2), 1 / 255, np.float32)  # of two classes
SHEET = np.full((32, 32), 204, np.uint8)


def refusal(package: ModelPackage, name: str) -> str:
    with pytest.raises(SteelDefectsError) as error:
        load_runtime(package, name).segment(SHEET)
    message = str(error.value)
    assert message.isprintable()
    assert str(package.folder) in message
    return message


def with_manifest(package: ModelPackage, **values: object) -> ModelPackage:
    manifest = Manifest.model_validate(package.manifest.model_dump() | values)
    return ModelPackage(package.folder, manifest)


def draw_onnx(weights_file: str = "") -> bytes:
    """Return a segmenter, with its weights in another file where that is named."""
    onnx = pytest.importorskip("onnx", reason="ONNX is not installed")
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    helper, kinds = onnx.helper, onnx.TensorProto
    weights = onnx.numpy_helper.from_array(WEIGHTS, "weights")
    if weights_file:
        weights.ClearField("raw_data")
        weights.data_location = kinds.EXTERNAL
        weights.external_data.add(key="location", value=weights_file)
    nodes = [
        helper.make_node("Cast", ["sheet"], ["gray"], to=kinds.FLOAT),
        helper.make_node("Mul", ["gray", "weights"], ["maps"]),
    ]
    sheet, maps = (
        helper.make_tensor_value_info(name, kind, ["n", "h", "w", channels])
        for name, kind, channels in (("sheet", kinds.UINT8, 1), ("maps", kinds.FLOAT, 2))
    )
    graph = helper.make_graph(nodes, "net", [sheet], [maps], [weights])
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()


def draw_openvino(folder: Path) -> dict[str, bytes]:
    """Return the two files of a segmenter."""
    openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")
    from openvino import opset13

    sheet = opset13.parameter([-1, -1, -1, 1], np.uint8)
    maps = opset13.multiply(opset13.convert(sheet, "f32"), opset13.constant(WEIGHTS))
    openvino.save_model(openvino.Model([maps], [sheet], "net"), folder / "net.xml", False)
    return {name: (folder / name).read_bytes() for name in ("net.xml", "net.bin")}


@pytest.fixture
def build(package_without_gate: ModelPackage, tmp_path: Path):
    """Return what makes a package with an export of its segmenter."""

    def build(runtime: str, files: dict[str, bytes], named: Sequence[str]) -> ModelPackage:
        parity = ParityResult(
            passed=True, sheets=1, max_difference=0, tolerance=None, changed_verdicts=0,
            dice_change=0,
        )  # fmt: skip
        export = ExportSpec(
            network="segmenter", runtime=runtime, precision="fp32", files=tuple(named),
            parity=parity,
        )  # fmt: skip
        manifest = package_without_gate.manifest.model_copy(update={"exports": (export,)})
        copied = package_without_gate.path("segmenter.keras")
        writers = {name: lambda path: path.write_bytes(files[path.name]) for name in named}
        writers["segmenter.keras"] = lambda path: shutil.copyfile(copied, path)
        package = write_package(tmp_path / "package", manifest, writers)
        for name in files.keys() - set(named):
            package.path(name).write_bytes(files[name])
        return read_package(package.folder)

    return build


@pytest.fixture
def onnx_package(build) -> ModelPackage:
    return build("onnx", {"net.onnx": draw_onnx()}, ["net.onnx"])


@pytest.fixture
def openvino_package(build, tmp_path) -> ModelPackage:
    return build("openvino", draw_openvino(tmp_path), ["net.xml", "net.bin"])


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_networks_run_from_what_was_checked(runtime, request):
    package = request.getfixturevalue(f"{runtime}_package")
    maps = load_runtime(package, runtime).segment(SHEET).maps
    assert maps.shape == (*SHEET.shape, 2)
    assert (maps == 204).all()


@pytest.mark.parametrize(
    ("runtime", "file"),
    [
        ("onnx", "net.onnx"),
        ("openvino", "net.xml"),
        ("openvino", "net.bin"),
        ("keras", "segmenter.keras"),
    ],
)
def test_a_network_that_is_replaced_after_the_check_is_not_used(runtime, file, request):
    kind = "onnx" if runtime == "keras" else runtime
    package = request.getfixturevalue(f"{kind}_package")
    path = package.path(file)
    path.write_bytes(path.read_bytes() + b" ")
    assert f"{file} is damaged" in refusal(package, runtime)


def test_weights_that_an_onnx_model_names_are_not_read(build, monkeypatch):
    files = {"net.onnx": draw_onnx("net.data"), "net.data": WEIGHTS.tobytes()}
    package = build("onnx", files, ["net.onnx"])
    monkeypatch.chdir(package.folder)
    assert "ONNX Runtime cannot run" in refusal(package, "onnx")


def test_weights_that_an_openvino_export_does_not_name_are_not_read(build, tmp_path):
    package = build("openvino", draw_openvino(tmp_path), ["net.xml"])
    assert "OpenVINO cannot run" in refusal(package, "openvino")


def test_openvino_reads_no_other_formats(build, monkeypatch):
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    files = {"net.xml": draw_onnx("net.data"), "net.data": WEIGHTS.tobytes()}
    package = build("openvino", files, ["net.xml"])
    monkeypatch.chdir(package.folder)
    assert "it is no XML" in refusal(package, "openvino")


def test_gate_and_segmenter_that_were_swapped(package):
    gate, segmenter = package.manifest.gate, package.manifest.segmenter
    swapped = with_manifest(
        package,
        gate=gate.model_dump() | {"file": segmenter.file},
        segmenter=segmenter.model_dump() | {"file": gate.file},
    )
    assert "says ?×32×64×1 and ?×1" in refusal(swapped, "keras")


def test_another_input_size(package):
    gate = package.manifest.gate.model_dump() | {"input_size": (64, 64)}
    message = refusal(with_manifest(package, gate=gate), "keras")
    assert "takes ?×32×64×1" in message
    assert "says ?×64×64×1" in message


@pytest.mark.parametrize("runtime", ["keras", "onnx", "openvino"])
def test_another_number_of_classes(runtime, request):
    kind = "onnx" if runtime == "keras" else runtime
    package = request.getfixturevalue(f"{kind}_package")
    segmenter = package.manifest.segmenter
    three = segmenter.model_dump() | {"postprocessing": [segmenter.postprocessing[0]] * 3}
    changed = with_manifest(package, class_names=("a", "b", "c"), segmenter=three)
    assert "gives ?×?×?×2, but the package says" in refusal(changed, runtime)


def test_a_stride_that_the_segmenter_does_not_take(package):
    segmenter = package.manifest.segmenter.model_dump() | {"stride": 7}
    assert "its stride, 7" in refusal(with_manifest(package, segmenter=segmenter), "keras")
