"""Import paths of version 0.1 give what they gave, with a warning."""

import importlib
import sys

import pytest

from cfcontra_mm.old_names import MODULES, NAMES

# Modules whose present names are also the old ones.
ASKED = {
    *('datasets', 'engine', 'losses', 'models', 'translation', 'methods.base'),
    *('engine.hooks', 'engine.inference', 'engine.launch', 'losses.discrepancy'),
    *('benchmark.results', 'benchmark.study', 'benchmark.tables', 'analysis.output'),
}
BELOW = {
    'models.translation.adain': 'translation.adain',
    'datasets.toystreets.write': 'toystreets.write',
}


@pytest.mark.parametrize(('old', 'new'), [*MODULES.items(), *BELOW.items()])
def test_a_module_is_the_one_that_it_is_now(old, new, monkeypatch):
    monkeypatch.delitem(sys.modules, f'cfcontra_mm.{old}', raising=False)
    with pytest.warns(FutureWarning, match=f'cfcontra_mm.{old} is now'):
        found = importlib.import_module(f'cfcontra_mm.{old}')
    assert found is importlib.import_module(f'cfcontra_mm.{new}')
    # A reload or a pickle finds it by its own name.
    assert found.__spec__.name == found.__name__ == f'cfcontra_mm.{new}'


@pytest.mark.parametrize('module', NAMES)
def test_a_name_that_has_moved_is_found(module):
    place = importlib.import_module(f'cfcontra_mm.{module}')
    if module not in ASKED:  # its own old name must have been imported
        old = next(old for old, new in MODULES.items() if new == module)
        sys.modules.pop(f'cfcontra_mm.{old}', None)
        with pytest.warns(FutureWarning):
            importlib.import_module(f'cfcontra_mm.{old}')
    for name, new in NAMES[module].items():
        home, _, last = new.rpartition('.')
        expected = getattr(importlib.import_module(f'cfcontra_mm.{home}'), last)
        with pytest.warns(FutureWarning, match=rf'{module}\.{name} is now'):
            assert getattr(place, name) is expected
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        place.nothing  # noqa: B018


@pytest.mark.filterwarnings('ignore::FutureWarning')
def test_a_module_that_has_moved_is_found_as_an_attribute():
    import cfcontra_mm
    import cfcontra_mm.translation

    assert cfcontra_mm.datasets.toystreets.write_toystreets
    assert cfcontra_mm.models.translation is cfcontra_mm.translation


def test_a_module_is_run_by_its_old_name():
    from importlib.util import find_spec

    sys.modules.pop('cfcontra_mm.benchmark.leash', None)
    spec = find_spec('cfcontra_mm.benchmark.leash')
    assert spec.loader.get_code('cfcontra_mm.benchmark.leash').co_filename.endswith(
        'die_with_parent.py'
    )


def test_names_that_are_still_there_warn_of_nothing(recwarn):
    from cfcontra_mm.benchmark.results import Result, read_results
    from cfcontra_mm.benchmark.study import Row, load_study
    from cfcontra_mm.benchmark.tables import Table, read_table

    assert all((Result, read_results, Row, load_study, Table, read_table))
    assert not [w for w in recwarn if issubclass(w.category, FutureWarning)]


def test_other_modules_are_still_missing():
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module('cfcontra_mm.models.nothing')
