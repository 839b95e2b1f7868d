"""Run a command that the kernel kills when its parent process dies.

A parent that SIGKILL ends cannot end its child processes. So it starts them as
``python die_with_parent.py PID COMMAND...``, with its own process ID. This script sets
the parent-death signal and then replaces itself by the command, whose exit status the
parent sees.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have died before the parent-death signal was set.
    if os.getppid() == int(parent):
        os.execvp(command[0], command)


if __name__ == '__main__':
    main()
