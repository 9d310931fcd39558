"""The project's own error: a message for the person at the terminal."""


class SteelDefectsError(Exception):
    """Something the user can mend.

    The message says in one line what is wrong, where, and what to do about it.
    """
