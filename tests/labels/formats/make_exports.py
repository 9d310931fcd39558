r"""Writes small exports of labelling tools, each by the tool itself or by its maker's library.

The tests of the readers read what this script wrote; they do not run it. It draws a few flat
pictures with two classes, saves their masks below files/truth, lets every tool write its export,
and saves below files/own_filling how a tool itself fills what it wrote. files/pictures.json names
the pictures of each export and the truth of each, or null where its export holds none.

The tools need an environment of their own: they and this project ask for different versions of
the same packages. Supervisely and Ultralytics contradict the others too, so they are installed
without what they ask for, and what they import follows. Supervisely wants the system's libmagic.

    python3.11 -m venv formats && . formats/bin/activate && pip install wheel==0.47.0
    pip install datumaro==1.13.12 supervision==0.31.2 label-studio-sdk==2.1.2 labelme==6.3.1 \
        pycocotools==2.0.11 numpy==2.2.6 opencv-python-headless==4.12.0.88 pillow==12.3.0
    pip install --no-deps supervisely==6.74.51 ultralytics==8.4.190 torchvision==0.28.0
    pip install torch==2.13.0 aiofiles==25.1.0 async-asgi-testclient==1.4.11 bidict==0.24.1 \
        cacheout==0.17.0 fastapi==0.165.0 imutils==0.5.4 jsonpatch==1.48 numerize==0.12 \
        patchdiff==1.0.0 prettytable==3.18.0 psutil==7.2.2 pydicom==3.0.2 \
        pynrrd==1.1.3 python-dotenv==1.2.4 python-json-logger==4.2.0 python-magic==0.4.27 \
        requests-toolbelt==1.0.0 simpleitk==2.5.7 stringcase==1.2.0 trimesh==5.2.0 \
        uvicorn==0.54.0 varname==1.0.0

pip then names packages that it finds missing or too new; nothing here needs others. The build of
torch for processors will do. `python tests/labels/formats/make_exports.py` writes all folders
below files anew, in half a minute. Only the dates in three COCO files change.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.gettempdir())

import numpy as np
from PIL import Image

FILES = Path(__file__).with_name("files")
CLASSES = ("scratch", "pit")
Point = tuple[float, float]
Polygon = tuple[Point, ...]
Pictures = dict[str, str | None]


@dataclass(frozen=True)
class Shape:
    """One defect. Corners are (x, y) from the top left corner of the picture's first pixel."""

    label: str
    parts: tuple[Polygon, ...]
    holes: tuple[Polygon, ...] = ()

    @property
    def class_id(self) -> int:
        return CLASSES.index(self.label) + 1

    def mask(self, width: int, height: int) -> np.ndarray:
        """All pixels whose centre lies in a part and in no hole."""
        parts = [inside(part, width, height) for part in self.parts]
        holes = [inside(hole, width, height) for hole in self.holes]
        return np.any(parts, axis=0) & ~np.any([*holes, np.zeros_like(parts[0])], axis=0)


@dataclass(frozen=True)
class Sheet:
    """One picture and what is on it."""

    name: str
    width: int
    height: int
    shapes: tuple[Shape, ...] = ()

    @property
    def stem(self) -> str:
        return self.name.removesuffix(".png")

    @property
    def flat(self) -> str:
        """Its name for tools that know no folders."""
        return self.name.replace("/", "_")

    def masks(self) -> list[np.ndarray]:
        return [shape.mask(self.width, self.height) for shape in self.shapes]

    def index(self) -> np.ndarray:
        return stacked((self.height, self.width), zip(self.class_ids(), self.masks(), strict=True))

    def class_ids(self) -> list[int]:
        return [shape.class_id for shape in self.shapes]

    def picture(self) -> Image.Image:
        """Flat gray, another one for each picture, with darker defects."""
        gray = 190 + sum(map(ord, self.name)) % 40
        return Image.fromarray(np.where(self.index() > 0, gray - 90, gray).astype(np.uint8))


def inside(corners: Polygon, width: int, height: int) -> np.ndarray:
    """The pixels whose centre lies in a polygon, by counting its edges to the right of it."""
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    result = np.zeros((height, width), bool)
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        if y0 != y1:
            crosses = (y0 <= y) != (y1 <= y)
            result ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return result


def stacked(shape: tuple[int, int], layers: Iterator[tuple[int, np.ndarray]]) -> np.ndarray:
    """Masks as one picture of class numbers; later ones cover earlier ones."""
    index = np.zeros(shape, np.uint8)
    for class_id, mask in layers:
        index[np.asarray(mask, bool)] = class_id
    return index


SLANTED = ((12.5, 20.25), (70.75, 8.5), (96.3, 30.1), (30.2, 52.6))
RING = ((20.0, 10.0), (100.4, 14.2), (110.7, 80.1), (30.3, 84.6))
RING_HOLE = ((50.2, 32.4), (80.6, 34.0), (78.1, 60.7), (52.0, 58.3))
LEFT_TOP = ((0.0, 0.0), (44.5, 0.0), (26.3, 27.7), (0.0, 38.2))
RIGHT_BOTTOM = ((120.4, 60.0), (160.0, 52.4), (160.0, 96.0), (131.7, 96.0))
PIT_ONE = ((50.5, 40.0), (76.2, 36.6), (80.0, 62.3), (55.1, 66.0))
PIT_TWO = ((88.0, 8.2), (116.4, 12.0), (112.0, 36.5), (92.3, 30.1))
STEPS = (
    ((10.0, 10.0), (40.6, 14.3), (38.2, 36.0), (8.4, 30.5)),
    ((60.3, 30.2), (92.0, 34.8), (88.5, 58.0), (58.0, 54.1)),
    ((110.2, 54.0), (146.0, 60.4), (140.7, 84.0), (108.5, 78.2)),
)
SHEETS = (
    Sheet("a/one.png", 160, 96, (Shape("scratch", (SLANTED,)), Shape("pit", (RIGHT_BOTTOM,)))),
    Sheet("b/one.png", 160, 96, (Shape("scratch", (RING,), (RING_HOLE,)),)),
    Sheet(
        "b/two.png",
        120,
        80,
        (Shape("scratch", (LEFT_TOP,)), Shape("pit", (PIT_ONE,)), Shape("pit", (PIT_TWO,))),
    ),
    Sheet("clean.png", 160, 96),
    Sheet("with space.png", 160, 96, (Shape("scratch", STEPS),)),
)


def save_index(index: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(index).save(path, optimize=True)


def save_filling(export: str, sheet: Sheet, layers: Iterator[tuple[int, np.ndarray]]) -> None:
    """What the tool itself fills, as one picture of class numbers."""
    index = stacked((sheet.height, sheet.width), layers)
    save_index(index, FILES / "own_filling" / export / sheet.name)


def save_pictures(folder: Path, names: dict[str, Sheet]) -> None:
    for name, sheet in names.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        sheet.picture().save(folder / name, optimize=True)


def flat_numbers(corners: Polygon) -> list[float]:
    return [number for corner in corners for number in corner]


# --- Datumaro: COCO, CVAT for images, Pascal VOC ---


def datumaro_dataset(shapes: Callable[[Sheet], list[Any]], pictures: Path) -> Any:
    """All pictures, with the annotations that a function makes of their shapes."""
    from datumaro.components.annotation import AnnotationType, LabelCategories, MaskCategories
    from datumaro.components.dataset import Dataset
    from datumaro.components.dataset_base import DatasetItem
    from datumaro.components.media import Image as Media

    save_pictures(pictures, {sheet.name: sheet for sheet in SHEETS})
    return Dataset.from_iterable(
        [
            DatasetItem(
                sheet.stem,
                media=Media.from_file(path=str(pictures / sheet.name)),
                annotations=shapes(sheet),
            )
            for sheet in SHEETS
        ],
        categories={
            AnnotationType.label: LabelCategories.from_iterable(CLASSES),
            AnnotationType.mask: MaskCategories({0: (255, 64, 0), 1: (0, 96, 255)}),
        },
    )


def datumaro_shapes(sheet: Sheet) -> list[Any]:
    """Polygons, those of one defect with one group number; a mask where there is a hole."""
    from datumaro.components.annotation import Mask
    from datumaro.components.annotation import Polygon as DatumaroPolygon

    result: list[Any] = []
    for group, (shape, mask) in enumerate(zip(sheet.shapes, sheet.masks(), strict=True), 1):
        label = shape.class_id - 1
        if shape.holes:
            result.append(Mask(mask, label=label, group=group))
        else:
            result += [
                DatumaroPolygon(flat_numbers(part), label=label, group=group)
                for part in shape.parts
            ]
    return result


def datumaro_masks(sheet: Sheet) -> list[Any]:
    from datumaro.components.annotation import Mask

    return [
        Mask(mask, label=class_id - 1)
        for class_id, mask in zip(sheet.class_ids(), sheet.masks(), strict=True)
    ]


def write_datumaro(pictures: Path) -> dict[str, Pictures]:
    shapes = datumaro_dataset(datumaro_shapes, pictures)
    masks = datumaro_dataset(datumaro_masks, pictures)
    shapes.export(str(FILES / "datumaro_coco"), "coco_instances", save_media=True)
    masks.export(
        str(FILES / "datumaro_coco_polygons"),
        "coco_instances",
        save_media=True,
        segmentation_mode="polygons",
    )
    shapes.export(str(FILES / "datumaro_cvat"), "cvat", save_media=True)
    masks.export(str(FILES / "datumaro_voc"), "voc_segmentation", save_media=True)
    for export in ("datumaro_coco", "datumaro_coco_polygons"):
        fill_coco(export, "annotations/instances_default.json")
    fill_cvat("datumaro_cvat")
    folders = {
        "datumaro_coco": "images/default",
        "datumaro_coco_polygons": "images/default",
        "datumaro_cvat": "images",
        "datumaro_voc": "JPEGImages",
    }
    return {
        export: {f"{folder}/{sheet.name}": sheet.name for sheet in SHEETS}
        for export, folder in folders.items()
    }


def fill_coco(export: str, file: str, flat: bool = False) -> None:
    """What pycocotools fills; its category ids must be 1 and 2."""
    from pycocotools.coco import COCO

    coco = COCO(str(FILES / export / file))
    ids = {image["file_name"]: number for number, image in coco.imgs.items()}
    for sheet in SHEETS:
        found = coco.loadAnns(coco.getAnnIds(ids[sheet.flat if flat else sheet.name]))
        save_filling(export, sheet, ((a["category_id"], coco.annToMask(a)) for a in found))


def fill_cvat(export: str) -> None:
    """What Datumaro fills when it reads its file again."""
    from datumaro.components.dataset import Dataset

    dataset = Dataset.import_from(str(FILES / export), "cvat")
    dataset.transform("polygons_to_masks")
    found = {item.id: item.annotations for item in dataset}
    for sheet in SHEETS:
        save_filling(export, sheet, ((a.label + 1, a.image) for a in found[sheet.stem]))


# --- Supervision: COCO, YOLO segmentation ---


def supervision_dataset(pictures: Path) -> Any:
    import supervision as sv

    def detections(sheet: Sheet) -> Any:
        if not sheet.shapes:
            return sv.Detections.empty()
        masks = np.array(sheet.masks())
        return sv.Detections(
            sv.mask_to_xyxy(masks), masks, class_id=np.array(sheet.class_ids()) - 1
        )

    save_pictures(pictures, {sheet.flat: sheet for sheet in SHEETS})
    paths = {str(pictures / sheet.flat): detections(sheet) for sheet in SHEETS}
    return sv.DetectionDataset(list(CLASSES), list(paths), paths)


def write_supervision(pictures: Path) -> dict[str, Pictures]:
    """Supervision refuses equal names in different folders, so these are flat."""
    import supervision as sv

    dataset = supervision_dataset(pictures)
    coco, yolo = FILES / "supervision_coco", FILES / "supervision_yolo"
    dataset.as_coco(str(coco / "train"), str(coco / "train" / "_annotations.coco.json"))
    folders = (
        str(yolo / "train" / "images"),
        str(yolo / "train" / "labels"),
        str(yolo / "data.yaml"),
    )
    dataset.as_yolo(*folders)
    read = {
        coco.name: sv.DetectionDataset.from_coco(
            str(coco / "train"), str(coco / "train" / "_annotations.coco.json"), force_masks=True
        ),
        yolo.name: sv.DetectionDataset.from_yolo(*folders, force_masks=True),
    }
    for export, filled in read.items():
        found = {Path(path).name: detections for path, detections in filled.annotations.items()}
        for sheet in SHEETS:
            one = found[sheet.flat]
            layers = () if one.mask is None else zip(one.class_id + 1, one.mask, strict=True)
            save_filling(export, sheet, iter(layers))
    return {
        coco.name: {f"train/{sheet.flat}": sheet.name for sheet in SHEETS},
        yolo.name: {f"train/images/{sheet.flat}": sheet.name for sheet in SHEETS},
    }


# --- Ultralytics: YOLO segmentation, from COCO and from masks ---


def write_ultralytics(work: Path) -> dict[str, Pictures]:
    """From COCO it joins several parts to one line; from masks each part is a line of its own."""
    from ultralytics.data.converter import convert_coco, convert_segment_masks_to_yolo_seg
    from ultralytics.utils import YAML

    joined, parts = FILES / "ultralytics_yolo_coco", FILES / "ultralytics_yolo_masks"
    shutil.copytree(FILES / "datumaro_coco_polygons" / "annotations", work / "coco")
    convert_coco(str(work / "coco"), str(joined), use_segments=True, cls91to80=False)
    save_pictures(joined / "images" / "default", {sheet.name: sheet for sheet in SHEETS})
    for sheet in SHEETS:
        save_index(sheet.index(), work / "masks" / sheet.flat)
    convert_segment_masks_to_yolo_seg(
        str(work / "masks"), str(parts / "labels" / "train"), len(CLASSES)
    )
    save_pictures(parts / "images" / "train", {sheet.flat: sheet for sheet in SHEETS})
    for folder, subset in ((joined, "default"), (parts, "train")):
        about = {"path": ".", "train": f"images/{subset}", "names": dict(enumerate(CLASSES))}
        YAML.save(folder / "data.yaml", about)
    for sheet in SHEETS:
        fill_yolo(joined.name, sheet, f"labels/default/{sheet.stem}.txt")
        fill_yolo(parts.name, sheet, f"labels/train/{sheet.flat.removesuffix('.png')}.txt")
    return {
        joined.name: {f"images/default/{sheet.name}": sheet.name for sheet in SHEETS},
        parts.name: {f"images/train/{sheet.flat}": sheet.name for sheet in SHEETS},
    }


def fill_yolo(export: str, sheet: Sheet, labels: str) -> None:
    """What Ultralytics trains on, without its change of size."""
    from ultralytics.data.utils import polygon2mask

    def layers() -> Iterator[tuple[int, np.ndarray]]:
        path = FILES / export / labels
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            class_index, *numbers = line.split()
            corners = np.array(numbers, float).reshape(-1, 2) * (sheet.width, sheet.height)
            size = (sheet.height, sheet.width)
            yield int(class_index) + 1, polygon2mask(size, [corners.reshape(-1)])

    save_filling(export, sheet, layers())


# --- Labelme ---


def labelme_shapes(shape: Shape, mask: np.ndarray, group: int | None) -> list[dict[str, Any]]:
    """A shape as Labelme's window hands it to its file: polygons, or a mask cut to its box."""
    from labelme.utils import img_arr_to_b64

    def one(kind: str, points: Sequence[Point], picture: str | None = None) -> dict[str, Any]:
        return {
            "label": shape.label,
            "points": points,
            "group_id": group,
            "description": "",
            "shape_type": kind,
            "flags": {},
            "mask": picture,
        }

    if not shape.holes:
        return [one("polygon", part) for part in shape.parts]
    rows, columns = np.nonzero(mask)
    box = [(int(columns.min()), int(rows.min())), (int(columns.max()), int(rows.max()))]
    cut = mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    return [one("mask", box, img_arr_to_b64(cut.astype(np.uint8)))]


def write_labelme(_: Path) -> dict[str, Pictures]:
    """One file beside each picture; only the first holds the picture too."""
    from labelme import LabelFile
    from labelme.utils import shapes_to_label

    export = FILES / "labelme_json"
    save_pictures(export, {sheet.name: sheet for sheet in SHEETS})
    numbers = {label: number for number, label in enumerate(CLASSES, 1)}
    for place, sheet in enumerate(SHEETS):
        path = export / sheet.name
        shapes = [
            entry
            for shape, mask in zip(sheet.shapes, sheet.masks(), strict=True)
            for entry in labelme_shapes(shape, mask, 1 if len(shape.parts) > 1 else None)
        ]
        LabelFile().save(
            str(path.with_suffix(".json")),
            shapes,
            path.name,
            sheet.height,
            sheet.width,
            image_data=LabelFile.load_image_file(str(path)) if place == 0 else None,
        )
        read = LabelFile(str(path.with_suffix(".json"))).shapes
        index, _ = shapes_to_label((sheet.height, sheet.width), read, numbers)
        save_index(index.astype(np.uint8), FILES / "own_filling" / export.name / sheet.name)
    return {export.name: {sheet.name: sheet.name for sheet in SHEETS}}


# --- Supervisely ---

# Its datasets hold no folders, but may hold further datasets.
SLY_FOLDERS = {"a": "a", "b": "a/datasets/b", "": "rest"}


def supervisely_labels(sheet: Sheet, classes: dict[str, Any]) -> list[Any]:
    """A polygon, one with its hole, or a bitmap for a defect of several parts."""
    import supervisely as sly

    def geometry(shape: Shape, mask: np.ndarray) -> Any:
        if len(shape.parts) > 1:
            return sly.Bitmap(mask)

        # SDK polygons go through the centres of pixels.
        def points(corners: Polygon) -> list[Any]:
            limits = (sheet.height - 1, sheet.width - 1)
            return [
                sly.PointLocation(min(int(y), limits[0]), min(int(x), limits[1]))
                for x, y in corners
            ]

        return sly.Polygon(points(shape.parts[0]), [points(hole) for hole in shape.holes])

    return [
        sly.Label(geometry(shape, mask), classes[shape.label])
        for shape, mask in zip(sheet.shapes, sheet.masks(), strict=True)
    ]


def write_supervisely(pictures: Path) -> dict[str, Pictures]:
    import supervisely as sly

    save_pictures(pictures, {sheet.name: sheet for sheet in SHEETS})
    colours = ([255, 64, 0], [0, 96, 255])
    classes = {
        label: sly.ObjClass(label, sly.AnyGeometry, colour)
        for label, colour in zip(CLASSES, colours, strict=True)
    }
    project = sly.Project(str(FILES / "supervisely_project"), sly.OpenMode.CREATE)
    project.set_meta(sly.ProjectMeta(list(classes.values())))
    datasets = {
        folder: project.create_dataset(place.split("/")[-1], place)
        for folder, place in SLY_FOLDERS.items()
    }
    names: Pictures = {}
    for sheet in SHEETS:
        folder, _, name = sheet.name.rpartition("/")
        ann = sly.Annotation((sheet.height, sheet.width), supervisely_labels(sheet, classes))
        datasets[folder].add_item_file(name, str(pictures / sheet.name), ann)
        names[f"{SLY_FOLDERS[folder]}/img/{name}"] = sheet.name
    fill_supervisely(names)
    return {"supervisely_project": names}


def fill_supervisely(names: Pictures) -> None:
    import supervisely as sly

    project = sly.Project(str(FILES / "supervisely_project"), sly.OpenMode.READ)
    numbers = {label: number for number, label in enumerate(CLASSES, 1)}
    found = {
        f"{Path(dataset.directory).relative_to(project.directory).as_posix()}/img/{name}": (
            dataset.get_ann(name, project.meta)
        )
        for dataset in project.datasets
        for name in dataset.get_items_names()
    }
    for sheet in SHEETS:
        ann = next(found[path] for path, truth in names.items() if truth == sheet.name)
        canvas = np.zeros((sheet.height, sheet.width, 3), np.uint8)
        for label in ann.labels:
            label.draw(canvas, color=[numbers[label.obj_class.name]] * 3)
        save_index(canvas[..., 0], FILES / "own_filling" / "supervisely_project" / sheet.name)


# --- Label Studio ---

LS_CONFIG = """<View>
  <Image name="image" value="$image"/>
  <PolygonLabels name="outline" toName="image">
    <Label value="scratch"/><Label value="pit"/>
  </PolygonLabels>
  <BrushLabels name="brush" toName="image">
    <Label value="scratch"/><Label value="pit"/>
  </BrushLabels>
</View>
"""
LS_URLS = {
    "a/one.png": "/data/local-files/?d=a%2Fone.png",
    "b/one.png": "/data/local-files/?d=b%2Fone.png",
    "b/two.png": "/data/upload/3/1a2b3c4d-two.png",
    "clean.png": "/data/upload/3/5e6f7a8b-clean.png",
    "with space.png": "/data/local-files/?d=with%20space.png",
    "skipped.png": "/data/upload/3/0badcafe-skipped.png",
    "draft.png": "/data/upload/3/0ddba115-draft.png",
}
# The converter's copies. It drops brushes and doubles two.png, so these two have no truth.
LS_COPIES: Pictures = {
    "images/c21046ed__one.png": "a/one.png",
    "images/49d9d20b__one.png": None,
    "images/1a2b3c4d-two.png": None,
    "images/5e6f7a8b-clean.png": "clean.png",
    "images/3df6b6da__with space.png": "with space.png",
    "images/0ddba115-draft.png": None,
}
UNANSWERED = (Sheet("skipped.png", 120, 80), Sheet("draft.png", 120, 80))


def ls_outline(sheet: Sheet, shape: Shape, number: int) -> list[dict[str, Any]]:
    """Polygons in percent of the picture's size, checked by the maker's label interface."""
    from label_studio_sdk.label_interface import LabelInterface

    control = LabelInterface(LS_CONFIG).get_control("outline")
    result = []
    for place, part in enumerate(shape.parts):
        percent = [(100 * x / sheet.width, 100 * y / sheet.height) for x, y in part]
        region = control.label(label=shape.label, points=percent)
        region.id = f"region{number}{place}"
        size = {"original_width": sheet.width, "original_height": sheet.height}
        result.append({**size, "image_rotation": 0, **region._dict(), "origin": "manual"})
    return result


def ls_brush(shape: Shape, mask: np.ndarray, number: int, work: Path) -> list[dict[str, Any]]:
    """A mask, run-length encoded by the maker's code."""
    from label_studio_sdk.converter import brush

    save_index(mask.astype(np.uint8) * 255, work / "brush.png")
    made = brush.image2annotation(str(work / "brush.png"), shape.label, "brush", "image")
    region = made["result"][0]
    region["id"] = f"region{number}"
    if len(shape.parts) == 1 and not shape.holes:
        # As the browser writes it: in the label's colour, opaque where painted.
        painted = mask[..., None] * np.array([255, 64, 0, 255])
        region["value"]["rle"] = brush.encode_rle(painted.ravel())
    return [region]


def ls_answer(number: int, result: list[Any], updated: str, **more: Any) -> dict[str, Any]:
    from label_studio_sdk.types.annotation import Annotation

    answer = Annotation(
        id=number,
        completed_by=1,
        created_at=f"2026-11-02T{8 + number % 10:02}:00:00Z",
        updated_at=updated,
        result=result,
        was_cancelled=False,
        ground_truth=False,
        lead_time=12.5,
    )
    return {**json.loads(answer.json(exclude_unset=True)), **more}


def ls_answers(place: int, sheet: Sheet, work: Path) -> list[dict[str, Any]]:
    """Brushes on shapes with a hole and on one pit of b/two.png, polygons on all others.

    b/two.png was answered twice: the one that was begun first was changed last, and is right.
    """
    result: list[dict[str, Any]] = []
    for number, (shape, mask) in enumerate(zip(sheet.shapes, sheet.masks(), strict=True)):
        if shape.holes or shape.parts == (PIT_TWO,):
            result += ls_brush(shape, mask, number, work)
        else:
            result += ls_outline(sheet, shape, number)
    number = 10 * (place + 1)
    if sheet.name != "b/two.png":
        return [ls_answer(number, result, "2026-11-02T12:00:00Z")]
    other = ls_outline(sheet, Shape("pit", (LEFT_TOP,)), 9)
    return [
        ls_answer(number, result, "2026-11-02T12:00:00Z"),
        ls_answer(number + 1, other, "2026-11-02T11:00:00Z"),
    ]


def ls_task(number: int, sheet: Sheet, answers: list[Any], drafts: list[Any]) -> dict[str, Any]:
    from label_studio_sdk.types.lse_task import LseTask

    url = LS_URLS[sheet.name]
    skipped = sum(answer["was_cancelled"] for answer in answers)
    task = LseTask(
        id=number,
        data={"image": url},
        annotations=answers,
        drafts=drafts,
        predictions=[],
        meta={},
        project=3,
        inner_id=number,
        file_upload=url.rpartition("/")[2] if "/upload/" in url else None,
        created_at="2026-11-01T08:00:00Z",
        updated_at="2026-11-02T12:00:00Z",
        total_annotations=len(answers) - skipped,
        cancelled_annotations=skipped,
        total_predictions=0,
    )
    return json.loads(task.json(exclude_unset=True))


def ls_tasks(work: Path) -> list[dict[str, Any]]:
    tasks = [
        ls_task(place + 1, sheet, ls_answers(place, sheet, work), [])
        for place, sheet in enumerate(SHEETS)
    ]
    skipped, draft = UNANSWERED
    begun = ls_outline(skipped, Shape("pit", (PIT_ONE,)), 8)
    moment = "2026-11-02T12:00:00Z"
    given_up = [ls_answer(60, begun, moment, was_cancelled=True)]
    drafts = [{"result": begun, "created_at": moment, "updated_at": moment}]
    return [*tasks, ls_task(6, skipped, given_up, []), ls_task(7, draft, [], drafts)]


def write_label_studio(work: Path) -> dict[str, Pictures]:
    """The tasks, and what the maker's converter makes of them."""
    from label_studio_sdk.converter import Converter

    sheets = {sheet.name: sheet for sheet in (*SHEETS, *UNANSWERED)}
    export = FILES / "label_studio_json"
    save_pictures(export / "images", sheets)
    tasks = export / "project-3.json"
    tasks.write_text(json.dumps(ls_tasks(work)), encoding="utf-8")
    (export / "label_config.xml").write_text(LS_CONFIG, encoding="utf-8")
    uploads = {url.partition("/upload/")[2]: sheets[name] for name, url in LS_URLS.items()}
    save_pictures(work / "upload", {path: sheet for path, sheet in uploads.items() if path})
    converter = Converter(
        LS_CONFIG,
        None,
        upload_dir=str(work / "upload"),
        local_files_resolver=lambda path: str(export / "images" / path),
    )
    fill_label_studio(converter, tasks)
    # In a folder beside the uploads, since the converter writes the way from one to the other.
    (work / "coco").mkdir()
    converter.convert(str(tasks), str(work / "coco"), "COCO_WITH_IMAGES", is_dir=False)
    shutil.copytree(work / "coco", FILES / "label_studio_coco")
    answered = {sheet.name for sheet in SHEETS}
    names = {f"images/{name}": name if name in answered else None for name in sheets}
    return {export.name: names, "label_studio_coco": LS_COPIES}


def fill_label_studio(converter: Any, tasks: Path) -> None:
    """Masks as its converter decodes them; polygons, in its COCO's pixels, as pycocotools does."""
    from label_studio_sdk.converter import brush
    from pycocotools import mask as coco_mask

    def layer(label: dict[str, Any]) -> tuple[int, np.ndarray]:
        height, width = size = (label["original_height"], label["original_width"])
        if "rle" in label:
            mask = brush.decode_rle(label["rle"]).reshape(*size, 4)[..., 3]
            return CLASSES.index(label["brushlabels"][0]) + 1, mask
        corners = [x / 100 * (width, height)[i % 2] for i, x in enumerate(sum(label["points"], []))]
        mask = coco_mask.decode(coco_mask.frPyObjects([corners], height, width))[..., 0]
        return CLASSES.index(label["polygonlabels"][0]) + 1, mask

    items = sorted(converter.iter_from_json_file(str(tasks)), key=lambda i: i["updated_at"] or "")
    newest = {item["input"]["image"]: item["output"] for item in items}
    for sheet in SHEETS:
        labels = [label for found in newest[LS_URLS[sheet.name]].values() for label in found]
        save_filling("label_studio_json", sheet, map(layer, labels))


WRITERS: tuple[Callable[[Path], dict[str, Pictures]], ...] = (
    write_datumaro,
    write_supervision,
    write_ultralytics,
    write_labelme,
    write_supervisely,
    write_label_studio,
)


def main() -> None:
    for old in FILES.iterdir() if FILES.exists() else ():
        if old.is_dir():
            shutil.rmtree(old)
    for sheet in SHEETS:
        save_index(sheet.index(), FILES / "truth" / sheet.name)
    pictures: dict[str, Pictures] = {}
    for write in WRITERS:
        with tempfile.TemporaryDirectory() as work:
            pictures |= write(Path(work))
    text = json.dumps(pictures, indent=1, ensure_ascii=False)
    (FILES / "pictures.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
