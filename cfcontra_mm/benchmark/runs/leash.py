"""Start a command that is killed when the process that asked for it is gone.

A scheduler may kill a worker outright, which then cannot end what it has started. The
worker starts ``python leash.py PID COMMAND...`` with its own process number. Then the
command takes the place of this script, and its exit status is the process's own.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # It may have gone before it could be watched.
    if os.getppid() == int(parent):
        os.execvp(command[0], command)


if __name__ == '__main__':
    main()
