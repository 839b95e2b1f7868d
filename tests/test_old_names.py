"""Import paths of version 0.1 give what they gave, with a warning."""

import importlib

import pytest

from cfcontra_mm.old_names import MODULES

BELOW = {
    'models.translation.adain': 'translation.adain',
    'datasets.toystreets.write': 'toystreets.write',
}


@pytest.mark.parametrize(('old', 'new'), [*MODULES.items(), *BELOW.items()])
def test_a_module_is_the_one_that_it_is_now(old, new, monkeypatch):
    import sys

    monkeypatch.delitem(sys.modules, f'cfcontra_mm.{old}', raising=False)
    with pytest.warns(FutureWarning, match=f'cfcontra_mm.{old} is now'):
        found = importlib.import_module(f'cfcontra_mm.{old}')
    assert found is importlib.import_module(f'cfcontra_mm.{new}')
    # A reload or a pickle finds it by its own name.
    assert found.__spec__.name == found.__name__ == f'cfcontra_mm.{new}'


@pytest.mark.parametrize(
    ('module', 'names'),
    [
        ('models', ['AdaINStyleTransfer', 'StylePreprocessor', 'VGGEncoder']),
        ('datasets', ['AdaINStylize']),
        ('engine', ['StyleSheetHook']),
        ('methods.base', ['domain_inputs']),
    ],
)
def test_a_name_that_has_moved_is_found(module, names):
    place = importlib.import_module(f'cfcontra_mm.{module}')
    for name in names:
        with pytest.warns(FutureWarning, match=rf'{module}\.{name} is now'):
            assert getattr(place, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        place.nothing  # noqa: B018


def test_names_that_are_still_there_warn_of_nothing(recwarn):
    from cfcontra_mm.benchmark.results import Result, read_results
    from cfcontra_mm.benchmark.study import Row, load_study
    from cfcontra_mm.benchmark.tables import Table, read_table

    assert all((Result, read_results, Row, load_study, Table, read_table))
    assert not [w for w in recwarn if issubclass(w.category, FutureWarning)]


def test_other_modules_are_still_missing():
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module('cfcontra_mm.models.nothing')
