"""Outlines for people to correct, in the formats that labelling tools read."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import cv2
import numpy as np

from steel_defects.labels import rle as run_length
from steel_defects.labels.formats.brushed import pack
from steel_defects.labels.shapes import Mask, Size

#: Folder of a labelling job with its pictures, by the names that its files have for them.
PICTURES = "images"
#: What the two sets of outlines of a task are called in Label Studio.
LABELS_OF_TODAY = "labels of today"

_TOUCHING = 8  # pixels that belong together may touch at a corner

Encoded = Mapping[int, str]


@dataclass(frozen=True)
class OutlinedPicture:
    """A picture that is sent to people who label.

    Attributes:
        name: Path below the folder of pictures, POSIX.
        size: Height and width, pixels.
        masks: Encoded mask of each class, to begin from: what the model sees.
        labels: The same as labelled today; None where nobody labelled it.
        why: Why it is worth a look.
    """

    name: str
    size: Size
    masks: Encoded = field(default_factory=dict)
    labels: Encoded | None = None
    why: str = ""


def as_coco(pictures: Sequence[OutlinedPicture], class_names: Sequence[str]) -> str:
    """Write COCO, one annotation per region that the model sees.

    Regions are stored as runs, so that holes and single pixels survive; tools take ``iscrowd: 1``
    for the sign of runs.
    """
    numbers = count(1)
    annotations = [
        {"id": next(numbers), "image_id": number, "category_id": class_id, **_region(mask)}
        for number, picture in enumerate(pictures, start=1)
        for class_id, mask in regions_of(picture.masks, picture.size)
    ]
    content = {
        "images": [
            {"id": number, "file_name": one.name, "height": one.size[0], "width": one.size[1]}
            for number, one in enumerate(pictures, start=1)
        ],
        "annotations": annotations,
        "categories": [{"id": n, "name": name} for n, name in enumerate(class_names, start=1)],
    }
    return json.dumps(content)


def _region(mask: Mask) -> dict[str, Any]:
    from pycocotools import mask as coco

    runs = coco.encode(np.asfortranarray(mask))
    counts = runs["counts"].decode()
    box = [float(one) for one in coco.toBbox(runs)]
    segmentation = {"size": list(mask.shape), "counts": counts}
    return {"segmentation": segmentation, "area": int(mask.sum()), "bbox": box, "iscrowd": 1}


def regions_of(masks: Encoded, size: Size) -> Iterator[tuple[int, Mask]]:
    """Yield each connected region with its class, as a mask of the whole picture."""
    for class_id, rle in sorted(masks.items()):
        found, parts = cv2.connectedComponents(
            run_length.decode(rle, *size), connectivity=_TOUCHING
        )
        for part in range(1, found):
            yield class_id, np.asarray(parts == part, np.uint8)


def as_tasks(pictures: Sequence[OutlinedPicture], class_names: Sequence[str], model: str) -> str:
    """Write tasks of Label Studio, with the model's outlines and the labels as two predictions.

    Pictures are looked for in Label Studio's local storage, in the folder :data:`PICTURES` of its
    root.
    """
    return json.dumps([_task(one, class_names, model) for one in pictures], ensure_ascii=False)


def _task(picture: OutlinedPicture, class_names: Sequence[str], model: str) -> dict[str, Any]:
    sets = [(model, picture.masks)]
    if picture.labels is not None:
        sets.append((LABELS_OF_TODAY, picture.labels))
    return {
        "data": {
            "image": f"/data/local-files/?d={PICTURES}/{quote(picture.name)}",
            "why": picture.why,
        },
        "predictions": [
            {"model_version": name, "result": list(_brushed(masks, picture.size, class_names))}
            for name, masks in sets
        ],
    }


def _brushed(masks: Encoded, size: Size, class_names: Sequence[str]) -> Iterator[dict[str, Any]]:
    height, width = size
    for number, (class_id, mask) in enumerate(regions_of(masks, size), start=1):
        name = class_names[class_id - 1]
        yield {
            "id": f"region{number}",
            "type": "brushlabels",
            "from_name": "defect",
            "to_name": "image",
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": {"format": "rle", "rle": pack(mask), "brushlabels": [name]},
        }


def labelling_interface(class_names: Iterable[str]) -> str:
    """Write the labelling interface of a Label Studio project that takes the tasks."""
    labels = "\n".join(f"    <Label value={quoteattr(name)}/>" for name in class_names)
    return (
        '<View>\n  <Image name="image" value="$image" zoom="true"/>\n  <Header value="$why"/>\n'
        f'  <BrushLabels name="defect" toName="image">\n{labels}\n  </BrushLabels>\n</View>\n'
    )
