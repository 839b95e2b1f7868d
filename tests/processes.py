"""What processes of this machine do, as the kernel tells it."""

import time
from pathlib import Path

LISTEN = '0A'
# 127.0.0.1, ::1 and ::ffff:127.0.0.1, as /proc/net writes them.
LOOPBACK = {
    '0100007F',
    '00000000000000000000000001000000',
    '0000000000000000FFFF00000100007F',
}


def wait_until(condition, seconds=90):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, condition
        time.sleep(0.05)
    return found


def is_alive(pid):
    try:
        return ') Z ' not in Path(f'/proc/{pid}/stat').read_text()
    except OSError:
        return False


def command_of(pid):
    try:
        return Path(f'/proc/{pid}/cmdline').read_bytes().decode().split('\0')
    except OSError:
        return []


def parent_of(pid):
    try:
        return int(Path(f'/proc/{pid}/stat').read_text().rpartition(') ')[2].split()[1])
    except OSError:
        return 0


def all_processes():
    numbers = (path.name for path in Path('/proc').glob('[0-9]*'))
    return [int(number) for number in numbers if is_alive(number)]


def descendants(pid):
    """A process and all that it has started, and they."""
    parents = {child: parent_of(child) for child in all_processes()}
    found = {pid}
    while more := {c for c, p in parents.items() if p in found} - found:
        found |= more
    return found


def working_on(*words):
    """Processes whose command line has a word that ends with one of these."""
    return [
        pid
        for pid in all_processes()
        if any(word.endswith(words) for word in command_of(pid))
    ]


def listening(pids):
    """Sockets at which processes listen: (address in hexadecimal, port)."""
    inodes = {inode for pid in pids for inode in sockets_of(pid)}
    lines = [
        line.split()
        for name in ('tcp', 'tcp6')
        for line in Path(f'/proc/net/{name}').read_text().splitlines()[1:]
    ]
    places = [(f[1].split(':'), f[9]) for f in lines if f[3] == LISTEN]
    return {(host, int(port, 16)) for (host, port), inode in places if inode in inodes}


def sockets_of(pid):
    try:
        links = [str(path.readlink()) for path in Path(f'/proc/{pid}/fd').iterdir()]
    except OSError:
        return []
    return [link[8:-1] for link in links if link.startswith('socket:[')]


def open_to_the_network(pids):
    return {place for place in listening(pids) if place[0] not in LOOPBACK}
