"""Choose settings on the development pair: run the trials, read and write them."""

from .choose import Trial, read_trials, with_choices
from .run import run_with_trials, search_overview
from .write import write_search

__all__ = [
    'Trial',
    'read_trials',
    'run_with_trials',
    'search_overview',
    'with_choices',
    'write_search',
]
