"""From a study to a table: start the runs as processes, read what they wrote."""

from .main import run_study
from .plan import plan_runs
from .steps import Run
from .study import Preparation, Row, Study, load_study

__all__ = [
    'Preparation',
    'Row',
    'Run',
    'Study',
    'load_study',
    'plan_runs',
    'run_study',
]
