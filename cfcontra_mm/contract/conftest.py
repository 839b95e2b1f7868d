"""Which methods are tested, and what the tests share."""

import pytest

from .cases import selected_cases
from .tiny import build_method, forget_closed_logs, settle, write_tiny_toystreets

CASES = selected_cases()


def pytest_configure(config):
    config.addinivalue_line('markers', 'slow: starts real processes or trains')


def pytest_generate_tests(metafunc):
    if 'case' in metafunc.fixturenames:
        metafunc.parametrize('case', CASES, ids=str, scope='module')


@pytest.fixture(autouse=True)
def _open_logs_alone():
    forget_closed_logs()


@pytest.fixture
def cfg(case):
    return case.load()


@pytest.fixture
def model(cfg):
    return settle(build_method(cfg.model), cfg)


@pytest.fixture(scope='session')
def tiny_toystreets(tmp_path_factory):
    return write_tiny_toystreets(tmp_path_factory.mktemp('toystreets'))
