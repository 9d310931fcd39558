"""The project's own error: a message for the person at the terminal."""


class SteelDefectsError(Exception):
    """Something the user can mend.

    The message says in one line what is wrong, where, and what to do about it.
    """


def shown(text: str, limit: int = 80) -> str:
    """Make text that came from a file safe to show in a message.

    Args:
        text: Any text, of any length, with any characters.
        limit: Number of its characters that are kept, at least 1.

    Returns:
        The text on one line, cut to ``limit`` characters and an ellipsis if it is longer, with
        control characters and other invisible ones written as escapes.
    """
    kept = text if len(text) <= limit else text[:limit] + "…"
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in kept
    )
