"""The one error that a user's input can cause."""


class InputError(ValueError):
    """Unusable input: one line that says which file, what is wrong and what to do."""
