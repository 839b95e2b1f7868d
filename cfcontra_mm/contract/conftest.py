"""Cases and fixtures of the tests."""

from pathlib import Path

import pytest
from mmengine.config import Config

from cfcontra_mm.methods import UDASegmentor

from .cases import Case, selected_cases
from .tiny import build_method, forget_closed_logs, warm_up, write_tiny_toystreets

CASES = selected_cases()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line('markers', 'slow: starts real processes or trains')


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if 'case' in metafunc.fixturenames:
        metafunc.parametrize('case', CASES, ids=str, scope='module')


@pytest.fixture(autouse=True)
def _open_logs_alone() -> None:
    forget_closed_logs()


@pytest.fixture
def cfg(case: Case) -> Config:
    return case.load()


@pytest.fixture
def model(cfg: Config) -> UDASegmentor:
    return warm_up(build_method(cfg.model), cfg)


@pytest.fixture(scope='session')
def tiny_toystreets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_toystreets(tmp_path_factory.mktemp('toystreets'))
