"""Run a study and make its table: start the runs as processes, read their results."""

from cfcontra_mm.old_names import old_attributes

from .runs.guards import INTERRUPTED, exit_status
from .runs.main import run_study, stopped
from .runs.overview import overview
from .runs.plan import plan_runs
from .runs.run import Run
from .search import run_with_trials, search_overview, with_choices, write_search
from .study import (
    Column,
    Development,
    Preparation,
    Row,
    Study,
    load_study,
    load_trials,
)
from .tables.write import write_tables

__all__ = [
    'INTERRUPTED',
    'Column',
    'Development',
    'Preparation',
    'Row',
    'Run',
    'Study',
    'exit_status',
    'load_study',
    'load_trials',
    'overview',
    'plan_runs',
    'run_study',
    'run_with_trials',
    'search_overview',
    'stopped',
    'with_choices',
    'write_search',
    'write_tables',
]

__getattr__ = old_attributes(__name__)
