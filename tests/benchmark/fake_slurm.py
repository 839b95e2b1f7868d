#!/usr/bin/env python3
"""Stands in for Slurm's commands, by the name it is called: jobs are processes here.

The folder ``FAKE_SLURM`` has a folder for each job, named by its number.
"""

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

STATE = Path(os.environ['FAKE_SLURM'])
# Again as often as it asked to be queued again.
WAITS = 'bash "$1"; while rm "$2/requeue" 2>/dev/null; do bash "$1"; done'


def sbatch(script):
    job_id = str(time.time_ns())  # never again: submitit remembers who has ended
    folder = STATE / job_id
    folder.mkdir()
    process = subprocess.Popen(
        ['bash', '-c', WAITS, 'bash', script, str(folder)],
        env={**os.environ, 'SLURM_JOB_ID': job_id},
        stdin=subprocess.DEVNULL,
        stdout=(folder / 'output').open('w'),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    (folder / 'job').write_text(str(process.pid))
    print(f'Submitted batch job {job_id}')


def srun(*arguments):
    (STATE / os.environ['SLURM_JOB_ID'] / 'task').write_text(str(os.getpid()))
    # Its own options are without effect here.
    command = arguments[arguments.index('-u') - 1 :]
    os.execv(command[0], command)


def sacct(*arguments):
    print('JobID|State|NodeList')
    for option, job_id in pairwise(arguments):
        if option == '-j' and (STATE / job_id).is_dir():
            print(f'{job_id}|{state(STATE / job_id)}|here')


def state(folder):
    if is_alive(int((folder / 'job').read_text())):
        return 'RUNNING'
    return 'CANCELLED by 0' if (folder / 'cancelled').exists() else 'COMPLETED'


def is_alive(pid):
    stat = Path(f'/proc/{pid}/stat')
    return stat.exists() and ') Z ' not in stat.read_text()


def scancel(job_id, option='', name='TERM'):
    if not option:
        (STATE / job_id / 'cancelled').touch()
    task = int((STATE / job_id / 'task').read_text())
    os.kill(task, signal.Signals[f'SIG{name}'])


def scontrol(command, job_id):
    (STATE / job_id / command).touch()


if __name__ == '__main__':
    globals()[Path(sys.argv[0]).name](*sys.argv[1:])
