"""A real Slurm of one node, on this machine's loopback alone."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from processes import wait_until

NEEDED = ('munged', 'slurmctld', 'slurmd', 'srun')
PATH = f'{os.environ["PATH"]}:/usr/sbin:/sbin'
# It asks for nothing that a container does not have; NoInAddrAny binds the daemons to
# the address of their node.
CONFIG = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
KillWait=30
ReturnToService=2
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 Port={node_port} CPUs=2
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def is_installed():
    return os.geteuid() == 0 and all(shutil.which(name, path=PATH) for name in NEEDED)


def free_port():
    with socket.create_server(('127.0.0.1', 0)) as server:
        return server.getsockname()[1]


@contextlib.contextmanager
def running():
    """Start its daemons; yield the environment of its commands, and the processes."""
    # A short path, as those of sockets must be.
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix='slurm_')))
        folder.chmod(0o755)  # as munged wants the folder of its socket
        environment = _configure(folder)
        munge = [f'--{n}={folder}/munge.{n.split("-")[0]}' for n in _MUNGE_FILES]
        daemons = (
            ['munged', '--foreground', '--num-threads=2', *munge],
            ['slurmctld', '-D', '-c'],
            ['slurmd', '-D'],
        )
        started = []
        for command in daemons:
            log = stack.enter_context((folder / f'{command[0]}.out').open('w'))
            daemon = stack.enter_context(_daemon(command, environment, log))
            started.append(daemon)
            if command[0] == 'munged':
                wait_until((folder / 'munge.socket').exists)
        wait_until(lambda: _is_idle(environment))
        yield environment, started


_MUNGE_FILES = ('socket', 'key-file', 'pid-file', 'log-file', 'seed-file')


def _configure(folder):
    (folder / 'munge.key').write_bytes(os.urandom(1024))
    (folder / 'munge.key').chmod(0o400)
    for name in ('state', 'spool'):
        (folder / name).mkdir()
    text = CONFIG.format(
        host=socket.gethostname().split('.')[0],
        folder=folder,
        controller_port=free_port(),
        node_port=free_port(),
    )
    (folder / 'slurm.conf').write_text(text)
    return {**os.environ, 'SLURM_CONF': str(folder / 'slurm.conf'), 'PATH': PATH}


@contextlib.contextmanager
def _daemon(command, environment, log):
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _is_idle(environment):
    listed = subprocess.run(
        ['sinfo', '-h', '-o', '%T'], env=environment, capture_output=True, text=True
    )
    return listed.stdout.strip() == 'idle'
