"""What a frame of the camera looks like, and what damaged it: rows lost, repeated or mixed."""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Flags = NDArray[np.bool_]

#: Pixels darker than this lie next to the strip, not on it (JPEG noise around true black).
BLACK_LEVEL = 12
_WHITE_LEVEL = 254
_INNER = np.ones((5, 5), np.uint8)

# Columns that are looked at.
_SAMPLES = 64
# Samples of an eighth of the width, and how many of them must differ from the next row.
_WINDOW, _DIFFERENT = 8, 6
# Gray values by which lost pixels differ from sound ones at least, and from each other at most.
_STEP, _FLAT = 12, 3
# How much more the next row differs than the one after it, where rows are mixed.
_MIXED = 1.2
# Pixels of steel that differ from their neighbour in a row which only a repetition can equal.
_TEXTURE = 64
# JPEG leaves no row of a lost strip flat. Such a strip is high at most so many rows, differs from
# the rows around it in so many parts of the width, and has at most that share of their contrast.
_STRIP_ROWS, _PARTS, _LOST_PARTS, _STRIP_CONTRAST = 8, 5, 4, 0.2
# Share of the texture around it that a row of such a strip has at most.
_SMOOTH = 0.6
# Columns in which a row of such a strip differs from the next row, but not from the next column.
_RINGING = 20
# Share of a cut-off edge's height over two rows, at least.
_WHOLE_JUMP = 0.7
# Odd numbers: rows whose sums with them are equal are candidates for equal rows.
_KEYS = np.random.default_rng(0).integers(1, 2**63, _SAMPLES // 8, np.uint64) | np.uint64(1)


def frame_statistics(image: NDArray[np.uint8]) -> dict[str, float]:
    """Measure a gray picture of shape ``(height, width)``, uint8.

    Returns:
        ``brightness`` (mean gray value of the steel), ``contrast`` (its standard deviation),
        ``sharpness`` (variance of the Laplacian over the square of the contrast, so that it does
        not follow the light), ``black_share`` and ``white_share``, 0 to 1.
    """
    steel = _at_least(image, BLACK_LEVEL)
    count = cv2.countNonZero(steel)
    mean, deviation = _mean_and_deviation(image, steel, count)
    # One pixel in from the black, whose edge would outweigh everything else.
    inner = np.asarray(cv2.erode(steel, _INNER), np.uint8)
    detail = cv2.Laplacian(image, cv2.CV_16S)
    _, roughness = _mean_and_deviation(detail, inner, cv2.countNonZero(inner))
    white = cv2.countNonZero(_at_least(image, _WHITE_LEVEL))
    return {
        "brightness": mean,
        "contrast": deviation,
        "sharpness": (roughness / max(deviation, 1.0)) ** 2,
        "black_share": 1 - count / image.size,
        "white_share": white / image.size,
    }


def _at_least(image: NDArray[np.uint8], level: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.threshold(image, level - 1, 1, cv2.THRESH_BINARY)[1], np.uint8)


def _mean_and_deviation(
    values: NDArray[Any], mask: NDArray[np.uint8], count: int
) -> tuple[float, float]:
    """Return mean and standard deviation of ``count`` whole numbers under a mask; 0 of none."""
    if not count:
        return 0.0, 0.0
    # Sums over everything, with zeros outside the mask, take OpenCV a tenth of the time of
    # cv2.meanStdDev under one. They are whole numbers, too: nothing is lost to rounding.
    inside = values if count == values.size else cv2.copyTo(values, mask)
    total, squares = round(cv2.sumElems(inside)[0]), round(cv2.norm(inside, cv2.NORM_L2SQR))
    return total / count, math.sqrt(count * squares - total * total) / count


def frame_damage(image: Picture) -> str:
    """Say which rows of a gray picture, ``(height, width)``, uint8, are lost, repeated or mixed.

    A sound frame has noise and is blurred a little. Gray values that stay the same and begin to do
    so abruptly, a row that equals another one, and rows that fit the next but one better than the
    next come from a transfer that lost something. Every test looks at 64 columns first, and at
    whole rows only where these raise a suspicion; narrower frames are too small to tell.

    Returns:
        One line, such as ``row 17 repeats row 1``; empty for a sound frame.
    """
    height, width = image.shape
    if width < _SAMPLES or height < _WINDOW:
        return ""
    first, step = _sampling(width)
    samples = np.ascontiguousarray(image[:, first : first + step * _SAMPLES : step])
    across = np.asarray(cv2.absdiff(samples[:, 1:], samples[:, :-1]), np.uint8)
    abrupt = _abrupt(samples)
    return (
        _lost(image, samples, across, abrupt)
        or _mixed(samples)
        or _repeated(image, samples)
        or _strip(image, samples, across, abrupt)
        or _cut_off(samples)
    )


def _sampling(width: int) -> tuple[int, int]:
    """Return the first column that is looked at, and the distance to the next."""
    step = width // _SAMPLES
    return (width - step * (_SAMPLES - 1)) // 2, step


def _abrupt(samples: Picture) -> Flags:
    """Say where pixels differ from the row before or after, in all columns but the last."""
    steps = cv2.absdiff(samples[1:, :-1], samples[:-1, :-1]) >= _STEP
    abrupt = np.zeros((len(samples), steps.shape[1]), np.bool_)
    abrupt[1:] = steps
    abrupt[:-1] |= steps
    return abrupt


def _row_sums(values: Picture | Flags) -> NDArray[np.int32]:
    sums = cv2.reduce(values.view(np.uint8), 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)
    return np.asarray(sums[:, 0], np.int32)


def _lost(image: Picture, samples: Picture, across: Picture, abrupt: Flags) -> str:
    """Find an eighth of a row that holds one gray value, unlike the row before or after it."""
    flat = ((across <= _FLAT) & abrupt).view(np.uint8)
    # One of the columns that differ may be the last of a window, which none follows.
    rows = np.flatnonzero(_row_sums(flat) >= _DIFFERENT - 1)
    if len(rows):
        rows = rows[_over_windows(np.add, flat[rows], _WINDOW).max(axis=1) >= _DIFFERENT - 1]
    if not len(rows):
        return ""
    one_value = _over_windows(np.maximum, across[rows], _WINDOW - 1) <= _FLAT
    suspicious = np.zeros_like(one_value)
    for next_rows in (np.maximum(rows - 1, 0), np.minimum(rows + 1, len(samples) - 1)):
        differs = (cv2.absdiff(samples[rows], samples[next_rows]) >= _STEP).view(np.uint8)
        suspicious |= one_value & (_over_windows(np.add, differs, _WINDOW) >= _DIFFERENT)
    first, step = _sampling(image.shape[1])
    for index in np.flatnonzero(suspicious.any(axis=1)):
        y, begin = int(rows[index]), first + step * int(suspicious[index].argmax())
        end = begin + step * _WINDOW
        stretch = _stretch(image[y].astype(np.int16), (begin + end) // 2)
        if stretch and _sharp(image[max(0, y - 2) : y + 3, begin:end], min(y, 2)):
            return f"row {y} holds one gray value from column {stretch[0]} to {stretch[1] - 1}"
    return ""


def _over_windows(join: np.ufunc, values: Picture, size: int) -> Picture:
    """Join 7 or 8 neighbours in three steps."""
    for distance in (1, 2, size - 4):
        values = join(values[:, distance:], values[:, :-distance])
    return values


def _stretch(row: NDArray[np.int16], middle: int) -> tuple[int, int] | None:
    """Return where the flat stretch around a pixel begins and ends, if it does so abruptly."""
    value = row[middle]
    others = np.flatnonzero(np.abs(row - value) > _FLAT)
    after = int(np.searchsorted(others, middle))
    begin = int(others[after - 1]) + 1 if after else 0
    end = int(others[after]) if after < len(others) else len(row)
    for side in (row[max(0, begin - 8) : begin], row[end : end + 8]):
        # It may end in the black next to the strip.
        if len(side) and side.mean() >= _STEP and abs(side.mean() - value) < _STEP:
            return None
    return (begin, end) if end - begin >= len(row) // 8 else None


def _sharp(rows: Picture, y: int) -> bool:
    """Say whether a row differs from a neighbour more than this does from the one beyond it.

    Light and lens blur the edge of the strip, and of glare, over several rows.
    """
    means = rows.mean(axis=1)
    for side in (means[y::-1], means[y:]):
        steps = np.abs(np.diff(side))
        if len(steps) and steps[0] >= max(_STEP, steps[-1]):
            return True
    return False


def _mixed(samples: Picture) -> str:
    """Find rows that differ more from the next one than from the one after it."""
    height = len(samples)
    once = cv2.norm(samples[1:], samples[:-1], cv2.NORM_L1) / (height - 1)
    twice = cv2.norm(samples[2:], samples[:-2], cv2.NORM_L1) / (height - 2)
    return "odd and even rows do not fit each other" if once > _MIXED * twice else ""


def _repeated(image: Picture, samples: Picture) -> str:
    """Find a row that equals an earlier one, noise and all."""
    keys = samples.view(np.uint64) @ _KEYS
    if len(set(keys.tolist())) == len(keys):
        return ""
    order = keys.argsort(kind="stable")
    equal = np.flatnonzero(keys[order[1:]] == keys[order[:-1]])
    for first, second in zip(order[equal], order[equal + 1], strict=True):
        row = image[second]
        texture = np.count_nonzero((row[1:] != row[:-1]) & (row[1:] >= _STEP))
        if texture >= _TEXTURE and np.array_equal(image[first], row):
            return f"row {second} repeats row {first}"
    return ""


def _strip(image: Picture, samples: Picture, across: Picture, abrupt: Flags) -> str:
    """Find rows of which JPEG, after they were lost, has left no more than ringing."""
    rows = np.flatnonzero(_row_sums((across < _STEP) & abrupt) >= _RINGING)
    if not len(rows):
        return ""
    texture = _row_sums(np.minimum(across, _STEP)).astype(np.float32)
    around = cv2.dilate(texture[None], np.ones((1, 2 * _STRIP_ROWS + 3), np.uint8))[0]
    rows = rows[texture[rows] < _SMOOTH * around[rows]]
    if not len(rows):
        return ""
    means = _means(samples)
    jumps = np.diff(means, axis=0)
    for y in rows:
        first, after = max(0, y - _STRIP_ROWS), y + _STRIP_ROWS
        for sign in (1, -1):
            begins = (sign * jumps[first:y] >= _STEP).any(axis=0)
            lost = np.asarray(begins & (sign * jumps[y:after] <= -_STEP).any(axis=0))
            if not _mostly(lost, means[first]):
                continue
            others = _contrasts(image[[first, min(after, len(image) - 1)]]).max(axis=0)
            blank = np.asarray(_contrasts(image[y : y + 1])[0] <= _STRIP_CONTRAST * others)
            if _mostly(np.asarray(lost & blank), means[first]):
                return f"row {y} has no texture"
    return ""


def _means(samples: Picture) -> NDArray[np.int16]:
    """Return the mean of each part of the width, of shape ``(rows, parts)``."""
    size = (_PARTS, len(samples))
    return np.asarray(cv2.resize(samples, size, interpolation=cv2.INTER_AREA), np.int16)


def _mostly(lost: Flags, before: NDArray[np.int16]) -> Flags:
    """Say in which rows enough parts are lost; black ones may be, as lost pixels are mostly."""
    enough = np.count_nonzero(lost | (before < _STEP), axis=-1) >= _LOST_PARTS
    return np.asarray(enough & lost.any(axis=-1))


def _contrasts(rows: Picture) -> NDArray[np.float64]:
    width = rows.shape[1] // _PARTS
    return rows[:, : _PARTS * width].reshape(len(rows), _PARTS, width).std(axis=2)


def _cut_off(samples: Picture) -> str:
    """Find a constant top or bottom that, but for JPEG's ringing, begins abruptly."""
    for rows in (samples, samples[::-1]):
        if len(set(rows[-1].tolist())) > 1:
            continue
        last = int(np.flatnonzero((rows != rows[-1, 0]).any(axis=1)).max(initial=0))
        near = _means(rows[max(0, last - _STRIP_ROWS) : last + 2])
        # Over two rows: the first lost pixel may lie in the midst of one. A lens blurs over more.
        jumps, whole = np.abs(near[2:] - near[:-2]), np.abs(near[0] - near[-1])
        if _mostly(jumps >= np.maximum(_STEP, _WHOLE_JUMP * whole), near[:-2]).any():
            return f"{len(rows) - 1 - last} rows at an edge hold one gray value"
    return ""
