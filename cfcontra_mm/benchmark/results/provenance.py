"""Provenance of a result: versions, hardware and the state of the checkout."""

from __future__ import annotations

import functools
import platform
import subprocess
from pathlib import Path

import mmengine
import mmseg
import torch

PACKAGE = Path(__file__).parents[2]
# Beside the package, what a run of its checkout depends on.
CONFIGS_AND_TOOLS = ('configs', 'tools')
CPU_INFO = Path('/proc/cpuinfo')


@functools.cache
def environment() -> dict[str, str]:
    """Return the versions and the hardware of this process and of its children."""
    cpu = _cpu_name()
    return {
        'python': platform.python_version(),
        'torch': torch.__version__,
        'mmengine': mmengine.__version__,
        'mmseg': mmseg.__version__,
        'cpu': cpu,
        'device': torch.cuda.get_device_name() if torch.cuda.is_available() else cpu,
    }


def _cpu_name() -> str:
    lines = CPU_INFO.read_text().splitlines() if CPU_INFO.exists() else []
    names = [line.split(': ', 1)[1] for line in lines if line.startswith('model name')]
    return names[0] if names else platform.machine()


def git_state(package: Path = PACKAGE) -> dict[str, str | bool | None] | None:
    """Return the package's commit and whether it is dirty; None outside a checkout.

    It is dirty if the package, or the configs or tools of its checkout, have changes.
    """
    # The package may be installed inside the checkout of another project.
    if _git(package, 'ls-files', '--error-unmatch', 'version.py') is None:
        return None
    top = Path(_git(package, 'rev-parse', '--show-toplevel') or package)
    read = [package, *(top / name for name in CONFIGS_AND_TOOLS)]
    status = _git(package, 'status', '--porcelain', *map(str, read))
    return {'commit': _git(package, 'rev-parse', 'HEAD'), 'dirty': bool(status)}


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what git prints; None if git is missing or the command fails."""
    try:
        return subprocess.run(
            ['git', '-C', str(folder), *arguments],
            capture_output=True,
            check=True,
            text=True,
        ).stdout.strip()
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None
