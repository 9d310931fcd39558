"""Every reason that a verdict can give; ``docs/inspection.md`` says what each means.

Names in braces stand for what differs from sheet to sheet.
"""

#: How the reason of a sheet that can't be read begins.
UNREADABLE = "unreadable"
#: How the reason of a picture begins that is unlike those that the networks learned from.
UNLEARNED = "unlike what was learned"
_CAMERA = "camera: "

BLACK = _CAMERA + "black frame"
SATURATED = _CAMERA + "saturated frame"
INCOMPLETE = _CAMERA + "incomplete frame"
OUT_OF_FOCUS = _CAMERA + "out of focus"
REPEATED = _CAMERA + "repeated frame"
#: Of sheets that the segmenter never sees.
CLEARED = "cleared by the gate"
#: Of sheets that neither network finds suspicious enough, though the gate alone did.
CLEARED_BY_BOTH = "cleared by gate and segmenter together"
OVER_LIMITS = "{regions} over limits, class {classes}"
TOO_MANY = "{regions} of class {class_id}, more than {most}"
WITHIN_LIMITS = "within limits: {regions}"
IGNORED_ONLY = "ignored classes only: {regions}"
NO_REGION = "no region"
GATE_WITHOUT_REGION = "gate without region"
DOUBTFUL = "doubtful: gate between its thresholds, no region"

#: All of them, with the verdict that goes with each.
REASONS = {
    UNREADABLE + ": {problem}": "review",
    UNLEARNED + ": {problem}": "review",
    **dict.fromkeys((BLACK, SATURATED, INCOMPLETE, OUT_OF_FOCUS, REPEATED), "review"),
    CLEARED: "accept",
    CLEARED_BY_BOTH: "accept",
    OVER_LIMITS: "reject",
    TOO_MANY: "reject",
    WITHIN_LIMITS: "accept",
    IGNORED_ONLY: "accept",
    NO_REGION: "accept",
    GATE_WITHOUT_REGION: "review",
    DOUBTFUL: "review",
}


def before_regions(reason: str) -> bool:
    """Say whether a sheet was decided on before anybody asked which regions it has."""
    return reason in {CLEARED, CLEARED_BY_BOTH} or reason.startswith(
        (UNREADABLE, UNLEARNED, _CAMERA)
    )
