"""Which methods are tested, and what the tests share."""

import pytest

from .cases import Selection, shipped_cases
from .tiny import build_method, settle, write_tiny_toystreets


def pytest_configure(config):
    config.addinivalue_line('markers', 'slow: starts real processes or trains')


def pytest_generate_tests(metafunc):
    if 'case' in metafunc.fixturenames:
        selection = metafunc.config.pluginmanager.get_plugin(Selection.plugin_name)
        cases = selection.cases if selection else shipped_cases()
        metafunc.parametrize('case', cases, ids=str, scope='module')


@pytest.fixture
def cfg(case):
    return case.load()


@pytest.fixture
def model(cfg):
    return settle(build_method(cfg.model), cfg)


@pytest.fixture(scope='session')
def tiny_toystreets(tmp_path_factory):
    return write_tiny_toystreets(tmp_path_factory.mktemp('toystreets'))
