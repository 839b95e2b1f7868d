"""Several processes of a tool, really started."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from processes import (
    descendants,
    is_alive,
    listening,
    open_to_the_network,
    wait_until,
    working_on,
)

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow

# A training in short: it meets the others, and ends by a signal as it should.
RANK = """
import os, signal, sys, time
from pathlib import Path

import torch
import torch.distributed as dist

out = Path(sys.argv[1])
rank = os.environ['RANK']
dist.init_process_group('gloo')
total = torch.ones(1)
dist.all_reduce(total)
def stop(number, frame):
    (out / f'stopped.{rank}').write_text(str(number))
    dist.destroy_process_group()
    sys.exit(128 + number)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    if signal.getsignal(number) != signal.SIG_IGN:
        signal.signal(number, stop)
(out / f'met.{rank}').write_text(str(int(total)))
BODY
dist.destroy_process_group()
"""


@pytest.fixture
def tools(tmp_path):
    """A copy of the scripts; what they start does what a test says."""
    folder = tmp_path / 'tools'
    folder.mkdir()
    for name in ('dist_train.sh', 'launch.sh', 'launch.py'):
        shutil.copy(ROOT / 'tools' / name, folder)
    return folder


@pytest.fixture
def launch(tools, tmp_path):
    """Start ``dist_train.sh`` with two processes whose work is given."""
    started = []

    def start(body, out='out', before=(), **environment):
        (tools / 'train.py').write_text(RANK.replace('BODY', body))
        (tmp_path / out).mkdir()
        process = subprocess.Popen(
            [*before, tools / 'dist_train.sh', tmp_path / out, '2'],
            env=variables(**environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()


def variables(**changes):
    names = ('PORT', 'NNODES', 'NODE_RANK', 'MASTER_ADDR')
    kept = {k: v for k, v in os.environ.items() if k not in names}
    paths = f'{ROOT}:{kept.get("PYTHONPATH", "")}'
    return {**kept, 'PYTHON': sys.executable, 'PYTHONPATH': paths, **changes}


def met(folder):
    """Ranks that have met all others."""
    return sorted(path.name for path in folder.glob('met.*'))


def wait_for_both(folder):
    wait_until(lambda: met(folder) == ['met.0', 'met.1'])


def ranks(folder):
    return [p for p in working_on(str(folder)) if 'train.py' in str(command(p))]


def command(pid):
    return Path(f'/proc/{pid}/cmdline').read_bytes()


def test_two_at_once_find_ports_of_their_own_on_the_loopback(launch, tmp_path):
    both = [launch('time.sleep(600)', out) for out in ('a', 'b')]
    for out in ('a', 'b'):
        wait_for_both(tmp_path / out)
        assert (tmp_path / out / 'met.0').read_text() == '2'
    pids = set().union(*(descendants(process.pid) for process in both))
    assert len(listening(pids)) >= 6  # each launcher, and gloo in each rank
    assert open_to_the_network(pids) == set()


@pytest.mark.parametrize('name', ['SIGTERM', 'SIGINT', 'SIGHUP'])
def test_a_signal_reaches_the_ranks_and_is_the_status(launch, tmp_path, name):
    # A shell that starts a test in the background makes it deaf to SIGINT.
    process = launch('time.sleep(600)', before=['env', '--default-signal=INT,HUP'])
    wait_for_both(tmp_path / 'out')
    number = signal.Signals[name]
    process.send_signal(number)
    _, said = process.communicate(timeout=90)
    assert (process.returncode, said) == (128 + number, '')
    for rank in '01':
        assert (tmp_path / 'out' / f'stopped.{rank}').read_text() == str(int(number))


def test_nohup_keeps_its_word(launch, tmp_path):
    before = ['env', '--ignore-signal=HUP']
    process = launch('while not (out / "go").exists(): time.sleep(0.05)', before=before)
    wait_for_both(tmp_path / 'out')
    process.send_signal(signal.SIGHUP)
    (tmp_path / 'out' / 'go').touch()
    assert process.wait(90) == 0


def test_nothing_outlives_a_launcher_that_is_killed(launch, tmp_path):
    process = launch('time.sleep(600)')
    wait_for_both(tmp_path / 'out')
    left = descendants(process.pid) - {process.pid}
    assert len(ranks(tmp_path / 'out')) == 3  # the launcher is no child of a shell
    process.kill()
    process.wait()
    wait_until(lambda: not any(map(is_alive, left)), 20)


@pytest.mark.parametrize(
    ('body', 'status', 'said'),
    [
        ('dist.destroy_process_group(); sys.exit(int(rank) * 7)', 7, ''),
        (
            'if rank == "1": os.kill(os.getpid(), signal.SIGKILL)\ntime.sleep(600)',
            137,
            'error: process 1 was ended by SIGKILL\n',
        ),
    ],
)
def test_the_first_failure_is_the_status(launch, body, status, said):
    process = launch(body)
    _, lines = process.communicate(timeout=90)
    assert (process.returncode, lines) == (status, said)


def test_a_busy_port_is_named_with_the_way_out(launch, tmp_path):
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = str(server.getsockname()[1])
        process = launch('', PORT=port)
        _, said = process.communicate(timeout=90)
        assert process.returncode == 2
        assert said == (
            f'error: PORT is {port}: Address already in use; unset it to use a free '
            'port, or change it\n'
        )
        assert launch('', 'again').wait(90) == 0
    assert launch('', 'third', PORT=port).wait(90) == 0


@pytest.mark.parametrize(
    ('wrong', 'said'),
    [
        (dict(PORT='abc'), "PORT is 'abc'"),
        (dict(PORT='70000'), "PORT is '70000'"),
        (dict(NNODES='0'), "NNODES is '0'"),
        (dict(NNODES='2'), 'MASTER_ADDR is not set'),
        (dict(NNODES='2', MASTER_ADDR='h', NODE_RANK='2'), "NODE_RANK is '2'"),
    ],
)
def test_a_wrong_variable_is_named(launch, wrong, said):
    process = launch('', **wrong)
    _, line = process.communicate(timeout=90)
    assert process.returncode == 2
    assert line.startswith('error: ')
    assert line.count('\n') == 1
    assert said in line


def test_several_machines_meet_at_the_first_ones_address(launch, tmp_path):
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = str(server.getsockname()[1])
    where = dict(NNODES='2', MASTER_ADDR='127.0.0.1', PORT=port)
    nodes = [launch('', f'node{n}', NODE_RANK=str(n), **where) for n in range(2)]
    assert [node.wait(180) for node in nodes] == [0, 0]
    found = {p.name for n in range(2) for p in (tmp_path / f'node{n}').glob('met.*')}
    assert found == {f'met.{rank}' for rank in range(4)}


def test_a_refusal_of_all_ranks_is_said_once():
    tool = [ROOT / 'tools' / 'dist_train.sh', 'nowhere.py', '2']
    ended = subprocess.run(
        tool, env=variables(), capture_output=True, text=True, timeout=180
    )
    assert ended.returncode == 2
    lines = [line for line in ended.stderr.splitlines() if 'error:' in line]
    assert len(lines) == 1
    assert lines[0].startswith('error: nowhere.py: no such config file')
    assert 'Traceback' not in ended.stderr
