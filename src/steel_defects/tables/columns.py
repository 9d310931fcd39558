"""What columns and tables are, and every column with its type, range, unit, title and format."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    import pandera.pandas as pa
from functools import partial


@dataclass(frozen=True)
class Column:
    """What a column holds.

    Attributes:
        dtype: ``str``, ``int64``, ``float64``, ``bool``, ``object`` (lists of whole numbers, or
            bytes) or a timestamp.
        low: Least value; of text the least length, of lists the least number in them.
        high: Greatest value; of text the greatest length.
        values: Those that may occur; empty for any.
        unit: In words.
        title: Heading in reports; empty where the name says it.
        format: How reports print it: ``percent``, ``whole``, ``tenths``, ``duration``; empty for
            decimals.
        nullable: Values may be missing.
        optional: Tables of earlier releases lack the column.
        about: What it says, where its name does not.
    """

    dtype: str
    low: float | None = None
    high: float | None = None
    values: tuple[str, ...] = ()
    unit: str = ""
    title: str = ""
    format: str = ""
    nullable: bool = False
    optional: bool = False
    about: str = ""

    @property
    def stored_dtype(self) -> str:
        """The type in pandas: integers that may be missing have one of their own."""
        return "Int64" if self.nullable and self.dtype == "int64" else self.dtype

    def schema(self, unique: bool = False) -> "pa.Column":
        """Return the column for pandera; ``unique`` where no two rows may share a value."""
        import pandera.pandas as pa

        # Pandera's own word for text depends on what pandas stores it in.
        dtype = {"str": str}.get(self.dtype, self.stored_dtype)
        return pa.Column(
            dtype, self._checks(), nullable=self.nullable, unique=unique, required=not self.optional
        )

    def _checks(self) -> "list[pa.Check]":
        import pandera.pandas as pa

        low, high = self.low, self.high
        if self.values:
            error = f"must be one of {', '.join(self.values)}"
            return [pa.Check.isin(self.values, error=error)]
        if self.dtype == "str" and low is not None:
            error = f"must have {high} digits" if high else "must not be empty"
            return [pa.Check.str_length(low, high, error=error)]
        if self.dtype == "object" and low is not None:
            error = f"must hold numbers from {low} on"
            return [pa.Check(partial(_holds_from, low), element_wise=True, error=error)]
        least = [] if low is None else [pa.Check.ge(low, error=f"must be at least {low}")]
        most = [] if high is None else [pa.Check.le(high, error=f"must be at most {high}")]
        return least + most


def _holds_from(low: float, cell: Iterable[float]) -> bool:
    return all(value >= low for value in cell)


@dataclass(frozen=True, eq=False)
class Table:
    """A table, as it is checked, made and described.

    Attributes:
        about: What a row is.
        columns: By name, in order.
        unique: Names of the columns that tell rows apart.
        further: Other columns may stand in it.
        from_csv: Types are restored on loading: a CSV file without rows does not say them.
        rule: Of the table as a whole, and what is wrong where it returns False.
    """

    about: str
    columns: Mapping[str, Column]
    unique: tuple[str, ...] = ()
    further: bool = False
    from_csv: bool = False
    rule: tuple[Callable[[pd.DataFrame], bool], str] | None = None

    @cached_property
    def types(self) -> dict[str, str]:
        """The type of each column in pandas."""
        return {name: column.stored_dtype for name, column in self.columns.items()}

    @property
    def required(self) -> list[str]:
        """Names of the columns that tables of earlier releases have, too."""
        return [name for name, column in self.columns.items() if not column.optional]

    @cached_property
    def schema(self) -> "pa.DataFrameSchema":
        """What pandera checks the table by."""
        import pandera.pandas as pa

        key = self.unique if len(self.unique) == 1 else ()
        return pa.DataFrameSchema(
            {name: column.schema(unique=name in key) for name, column in self.columns.items()},
            checks=pa.Check(self.rule[0], error=self.rule[1]) if self.rule else None,
            strict=not self.further,
            ordered=not self.further,
            unique=list(self.unique) if len(self.unique) > 1 else None,
            coerce=self.from_csv,
        )

    def typed(self, rows: pd.DataFrame | Iterable[Any]) -> pd.DataFrame:
        """Return a table, or rows as tuples or dictionaries, with just these columns and types.

        Optional columns may be missing from a table.
        """
        if not isinstance(rows, pd.DataFrame):
            rows = pd.DataFrame(list(rows), columns=list(self.columns))
        names = [name for name in self.columns if name in rows or name in self.required]
        return rows[names].astype({name: self.types[name] for name in names})

    def empty(self) -> pd.DataFrame:
        """Return the table without rows."""
        return self.typed([])


#: Columns that differ between two runs of the same seed.
TIME_COLUMNS = ("ms_per_sheet", "ms_per_sheet_p50", "ms_per_sheet_p90", "training_seconds")
SPLIT_NAMES = ("train", "validation", "calibration", "test")
#: In the place of a split: sheets of a second folder, which train segmenters and nothing else.
SEGMENTER_ONLY = "segmenter_only"
VERDICT_NAMES = ("accept", "review", "reject")

_text = partial(Column, "str", 1)
_count = partial(Column, "int64", 0)
_some = partial(Column, "int64", 1)
_number = partial(Column, "float64")
_share = partial(Column, "float64", 0, 1)
#: A share that is missing where there are no sheets of the kind that it is a share of.
_rate = partial(_share, nullable=True)
_percent = partial(_rate, format="percent")
#: Tables of earlier releases lack these figures.
_pooled = partial(
    _rate, optional=True, about="mean over the classes, from one confusion matrix over all pixels"
)
_speed = partial(_number, 0, unit="ms", format="tenths")


def _one_of(*values: str) -> Column:
    return Column("str", values=values)


def _alike(names: str, column: Column) -> dict[str, Column]:
    return dict.fromkeys(names.split(), column)


#: Every column by its name. Where a table allows something else, it says so itself.
COLUMNS: dict[str, Column] = {
    # Names and text.
    "sheet_id": _text(title="sheet"),
    **_alike("other_id path group_id ImageId_ClassId backbone architecture network", _text()),
    **_alike("weights runtime precision model model_id thresholds_id compared_with", _text()),
    **_alike("division measure metric corruption class_name severity outcome", _text()),
    **_alike("predicted_class_name by why test_split", _text()),
    **_alike("candidate replaces", _text(about="version of a model package")),
    **_alike("rle caption reason", _text()),
    "void": Column(
        "str",
        optional=True,
        about="encoded pixels that neither train nor count; empty for none. "
        "Only where labels know such pixels",
    ),
    "source": _text(about="where the label stands, below the data folder"),
    "label": Column("str", 16, 16, about="short digest of the label"),
    "outlines": Column("str", 16, 16, about="short digest of the outlines it was sent with"),
    "job": _text(about="which labelling job"),
    "name": _text(about="what the sheet is called in the job"),
    "why": _text(about="why it is worth a look"),
    "origin": _one_of("labelled", "new"),
    "remarks": Column("str", about="what reading changed in the picture"),
    **_alike("problem note EncodedPixels", Column("str")),
    "coil_id": Column("str", nullable=True, title="coil"),
    **_alike("sha256 other_sha256", Column("str", 64, 64)),
    "relation": _one_of("same file", "copy", "shared part", "look-alike", "different"),
    "split": _one_of(*SPLIT_NAMES),
    "evaluation": _one_of("test", "out_of_fold"),
    "kind": _one_of("missing_mask", "extra_mask", "other_class", "other_place"),
    "part": _one_of("gate", "segmenter", "verdicts"),
    **_alike("verdict verdict_before verdict_after", _one_of(*VERDICT_NAMES)),
    "evidence_from": _text(title="chosen on"),
    "tta": _text(title="averaged over"),
    "classes": Column("object", about="names of the classes with regions that count, a list"),
    # Flags, times and bytes.
    **_alike("has_defect cleared better found passed", Column("bool")),
    "changed": Column("bool", about="whether the label is another than before"),
    "was_labelled": Column("bool", about="whether the sheet had a label before"),
    "ignored": Column("bool", about="whether its class is ignored, so that it rejects no sheet"),
    "taken": Column("bool", about="whether the candidate was promoted"),
    "decided_at": Column("datetime64[us, UTC]", unit="UTC"),
    "set_aside": Column("bool", title="consequence"),
    "confident": Column("bool", about="whether confident learning counts it among the wrong ones"),
    "inspected_at": Column("datetime64[us, UTC]", unit="UTC"),
    "labelled_at": Column("datetime64[us, UTC]", unit="UTC", title="labelled"),
    "merged_at": Column("datetime64[us, UTC]", unit="UTC", about="first run that had the label"),
    "modified_ns": Column("int64", unit="ns since 1970"),
    **_alike("thumbnail fingerprint", Column("object", nullable=True)),
    "heat": Column("object", 0),
    # Numbers of things.
    "class_id": _some(title="class", format="whole"),
    "predicted_class_id": _some(title="predicted class", format="whole"),
    **_alike("version copies regions level left_out changed_verdicts", _count()),
    "changed_labels": _count(
        optional=True, about="sheets of the evaluation whose label changed since then"
    ),
    "test_reads": _count(about="comparisons that read this test split, this one included"),
    "defect_count": _count(title="defects", about="regions that count"),
    "ignored_count": _count(title="ignored regions", about="regions of ignored classes"),
    **_alike("rank rows columns epoch repeats", _some()),
    **_alike("repeat fold", _count(nullable=True)),
    "orientation": _count(high=7),
    "seed": _count(about="of the draw of the share, and of the training"),
    "bits": _some(high=16, about="bits of a channel of the file"),
    "exif": _some(high=8, about="how the file asks to be turned: 1, not at all, to 8"),
    **_alike("sheets defective_sheets clean_sheets", _count(format="whole")),
    **_alike("more_defective_sheets epochs", _count(format="whole")),
    "positives": _count(title="sheets with the class", format="whole"),
    "parameters": _some(format="whole"),
    "parameters_with_top": _some(title="parameters with ImageNet's top", format="whole"),
    "bytes": _count(unit="bytes"),
    # Places and sizes.
    **_alike("width height area_px size_px", _some(unit="pixels")),
    **_alike("x y true_px predicted_px labelled_px before_px after_px", _count(unit="pixels")),
    "defect_area_px": _count(unit="pixels", title="defective area"),
    "length_px": _number(0, unit="pixels"),
    "area_mm2": _number(0, unit="mm²", nullable=True),
    "length_mm": _number(0, unit="mm", nullable=True),
    "position_mm": _number(unit="mm", nullable=True, title="position"),
    "orientation_deg": _number(-90, 90, unit="degrees"),
    "area_px_median": _number(title="median area, px"),
    "area_px_p5": _number(title="5th percentile of the area, px"),
    "area_px_max": _number(title="largest area, px"),
    # Pictures, and how similar they are.
    "mean_intensity": _number(0, 255, unit="gray values", title="mean gray value"),
    "contrast": _number(0, 128, unit="gray values", title="contrast, gray values"),
    "black_fraction": _share(unit="share", title="share of black pixels"),
    "saturated_fraction": _share(unit="share", title="share of saturated pixels"),
    "similarity": _number(-1.01, 1.01, nullable=True),
    **_alike("similarity_p50 similarity_p95 similarity_max", _number(-1, 1)),
    "value": _number(),
    "percentile": _number(0, 100, unit="percent"),
    "share": _share(about="of the groups that the held-out fold leaves"),
    **_alike("low high", _rate(about="ends of the 95 % interval of the value")),
    "p0": _number(title="least"),
    "p5": _number(title="5th percentile"),
    "p50": _number(title="median"),
    "p95": _number(title="95th percentile"),
    "p100": _number(title="greatest"),
    "width_p50": _share(title="median width, where there is one"),
    "width_p95": _share(title="95th percentile of the width"),
    # What networks say.
    **_alike("output score", _share()),
    "gate_score": _rate(title="gate score"),
    "joint_score": _rate(
        title="joint score", about="of gate and segmenter, where they decide together"
    ),
    "margin": _number(
        -1,
        1,
        nullable=True,
        about="joint_score minus its threshold or, without one, gate_score minus the gate's lower "
        "threshold: below 0 the sheet was cleared",
    ),
    # One that no score reaches lies just above 1.
    "threshold": _number(0, 1 + 1e-9),
    "loss": _number(),
    # Figures of gates.
    **_alike("accuracy balanced_accuracy recall target_recall confidence", _percent()),
    **_alike("accept_share review_share reject_share", _percent()),
    **_alike("accuracy_low accuracy_high", _rate()),
    "recall_bound": _percent(title="recall at least"),
    "false_positive_rate": _percent(title="false positives"),
    "false_positive_bound": _percent(title="false positives at most"),
    **{f"fpr_at_recall_{n}": _percent(title=f"at recall {n} %") for n in (95, 98, 99)},
    "roc_auc": _rate(title="ROC-AUC"),
    "pr_auc": _rate(title="PR-AUC"),
    "brier": _rate(title="Brier score"),
    **_alike("heat_share gaussian_share uniform_share", _share(unit="share")),
    **_alike("heat_share_near gaussian_share_near uniform_share_near", _share(unit="share")),
    # Figures of segmenters.
    **_alike("dice iou boundary_iou boundary_f1", _share()),
    "overlap": _share(about="intersection over union of labelled and predicted mask"),
    "detection_rate": _percent(),
    "mean_dice": _rate(title="mean Dice"),
    "mean_dice_gated": _rate(title="mean Dice behind the gate"),
    "mean_dice_error": _number(title="standard error of mean Dice"),
    "all_empty_dice": _rate(title="mean Dice of finding nothing"),
    "dice_on_positives": _rate(title="Dice on positives"),
    "dice_on_positives_gated": _rate(title="Dice on positives behind the gate"),
    "dice_on_positives_error": _number(title="standard error of Dice on positives"),
    "mean_iou": _rate(title="mean IoU"),
    "mean_iou_error": _number(title="standard error of mean IoU"),
    "iou_on_positives": _rate(title="IoU on positives"),
    "pooled_mean_iou": _pooled(title="pooled mean IoU"),
    "pooled_mean_iou_with_background": _pooled(title="pooled mean IoU with background"),
    "pooled_mean_dice": _pooled(title="pooled mean Dice"),
    "pooled_mean_dice_with_background": _pooled(title="pooled mean Dice with background"),
    "boundary_iou_on_positives": _rate(title="boundary IoU on positives"),
    "boundary_f1_on_positives": _rate(title="boundary F1 on positives, at 2 px"),
    # Differences.
    **_alike("before after", _rate()),
    **_alike("difference difference_low difference_high", _number(-1, 1, nullable=True)),
    "dice_change": _number(-1, 1, nullable=True),
    **_alike("max_difference tolerance strength", _number(0, nullable=True)),
    # Speed and size of networks.
    "ms_per_sheet": _speed(title="ms per sheet"),
    "ms_per_sheet_p50": _speed(title="ms per sheet, median"),
    "ms_per_sheet_p90": _speed(title="ms per sheet, 90 %"),
    "training_seconds": _number(0, unit="s", title="training", format="duration"),
    **_alike("ms_p50 ms_p90 ms_p99", _number(0, unit="ms", nullable=True)),
    **_alike(
        "sheets_per_second streaming_sheets_per_second", _number(0, unit="1/s", nullable=True)
    ),
    **_alike("file_mb peak_memory_mb", _number(0, unit="MB", nullable=True)),
}


def title_of(column: str, otherwise: str | None = None) -> str:
    """Return a column's heading; ``otherwise``, or the name with blanks, where none is declared."""
    title = COLUMNS[column].title if column in COLUMNS else ""
    return title or otherwise or column.replace("_", " ")


def format_of(column: str) -> str:
    """Return how reports print a column; empty for decimals."""
    if column.startswith("recall_class_"):
        return "percent"
    return COLUMNS[column].format if column in COLUMNS else ""
