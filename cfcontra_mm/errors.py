"""What ends a command early: a user's input, or a signal."""

from signal import Signals


class InputError(ValueError):
    """Unusable input: one line that says which file, what is wrong and what to do."""


class Stopped(KeyboardInterrupt):
    """A signal that ended a command; the message names it and what was saved.

    Args:
        number: Number of the signal; the exit status is 128 more.
        rest: What the message says after the name of the signal.
    """

    def __init__(self, number: int, rest: str = '') -> None:
        super().__init__(f'stopped by {Signals(number).name}{rest}')
        self.number = number
