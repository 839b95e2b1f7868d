import os
import signal

import pytest

from cfcontra_mm.benchmark.runs.guards import INTERRUPTED, exit_status, terminable

HANG_UP = signal.SIGHUP


@pytest.fixture
def hang_up():
    """What is done about a closed terminal, set back after the test."""
    before = signal.getsignal(HANG_UP)
    yield lambda handler: signal.signal(HANG_UP, handler)
    signal.signal(HANG_UP, before)


def test_a_closed_terminal_ends_a_study(hang_up):
    hang_up(signal.SIG_DFL)
    with pytest.raises(KeyboardInterrupt) as stop, terminable():
        os.kill(os.getpid(), HANG_UP)
    assert exit_status(stop.value) == 129
    assert signal.getsignal(HANG_UP) == signal.SIG_DFL


def test_but_not_under_nohup(hang_up):
    hang_up(signal.SIG_IGN)
    with terminable():
        os.kill(os.getpid(), HANG_UP)
    assert signal.getsignal(HANG_UP) == signal.SIG_IGN


def test_the_status_after_ctrl_c():
    assert exit_status(KeyboardInterrupt()) == INTERRUPTED == 130
