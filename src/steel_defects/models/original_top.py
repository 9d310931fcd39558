"""How large a backbone is with the top that it was published with; free of Keras."""

#: Widths of the dense layers in front of ImageNet's classes; only VGG16 has any.
_DENSE = {"vgg16": (4096, 4096)}
_CLASSES = 1000
_VGG16_CELLS = 7 * 7  # VGG16 flattens its last feature maps; the others average them


def parameters_with_top(name: str, parameters: int, channels: int) -> int:
    """Count the parameters of a backbone with its 1,000 classes of ImageNet, as Keras does.

    Args:
        name: The backbone.
        parameters: Its parameters without the top.
        channels: Channels of its last feature maps.
    """
    width = channels * _VGG16_CELLS if name == "vgg16" else channels
    for units in (*_DENSE.get(name, ()), _CLASSES):
        parameters += (width + 1) * units
        width = units
    return parameters
