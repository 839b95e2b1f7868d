"""What ends a command early: a user's input, or a signal."""


class InputError(ValueError):
    """Unusable input: one line that says which file, what is wrong and what to do."""


class Stopped(KeyboardInterrupt):
    """A signal that ended a command; the message says what was saved.

    Args:
        number: Number of the signal; the exit status is 128 more.
        message: One line.
    """

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number
