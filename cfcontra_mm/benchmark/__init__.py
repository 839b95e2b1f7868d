"""From a study to a table: start the runs as processes, read what they wrote."""

from .main import run_study
from .study import Row, Run, Study, load_study, plan_runs

__all__ = ['Row', 'Run', 'Study', 'load_study', 'plan_runs', 'run_study']
