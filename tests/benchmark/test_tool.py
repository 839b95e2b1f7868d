"""What the command line refuses."""

import runpy
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / 'tools' / 'benchmark.py'


def refused(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, 'argv', [TOOL.name, *arguments])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(TOOL), run_name='__main__')
    assert ended.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize('launcher', ['local', 'ray'])
def test_slurms_parameters_need_its_launcher(monkeypatch, capsys, launcher):
    arguments = ('nowhere.py', '--slurm', 'mem_gb=4', '--launcher')
    line = refused(monkeypatch, capsys, *arguments, launcher)
    assert '--slurm: goes with --launcher slurm' in line
    assert 'nowhere.py: no such' in refused(monkeypatch, capsys, *arguments, 'slurm')
