"""The one error that a user's input can cause."""


class InputError(ValueError):
    """Input that cannot be used: one line with the file, what is wrong, what to do."""
