"""Masks as COCO packs them: lengths of runs down the columns, background first."""

from steel_defects.errors import SteelDefectsError


def unpack(text: str) -> list[int]:
    """Read lengths that are packed into text: five bits a character, differences from the third on.

    Not by pycocotools, whose reader trusts the text: wrong ones crash the process.

    Raises:
        SteelDefectsError: It is packed otherwise.
    """
    counts: list[int] = []
    value, bits = 0, 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64 or bits > 60:
            raise SteelDefectsError("the runs of a mask are not packed as COCO packs them")
        value |= (code & 31) << bits
        bits += 5
        if not code & 32:
            value -= 1 << bits if code & 16 else 0
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value, bits = 0, 0
    return counts
