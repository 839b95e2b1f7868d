import os
import sys
from pathlib import Path
from unittest import mock

import pytest

ROOT = Path(__file__).parents[1]
# The helpers are importable under every import mode of pytest.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope='session', autouse=True)
def _checkout_stays_as_it_is():
    """Fails if the suite changes what lies in the checkout's data/ and work_dirs/."""
    from leftovers import snapshot

    before = snapshot(ROOT)
    yield
    changed = [path for path, _ in before.items() ^ snapshot(ROOT).items()]
    assert not changed, (
        f'{min(changed)} was changed while the tests ran: by a test, which must work '
        'in tmp_path, or by a study that was started meanwhile'
    )


@pytest.fixture(scope='session', autouse=True)
def _cache_of_its_own(tmp_path_factory):
    """The checks of data are remembered in a folder that goes with the session."""
    with mock.patch.dict(os.environ, XDG_CACHE_HOME=str(tmp_path_factory.mktemp('c'))):
        yield


@pytest.fixture(autouse=True)
def _open_logs_alone():
    """A training in this process may have closed the file that MMEngine logs to."""
    from cfcontra_mm.contract.tiny import forget_closed_logs

    forget_closed_logs()


@pytest.fixture(scope='session')
def toystreets(tmp_path_factory):
    """Folder of a tiny ToyStreets pair, see ``write_tiny_toystreets``."""
    from cfcontra_mm.contract.tiny import write_tiny_toystreets

    return write_tiny_toystreets(tmp_path_factory.mktemp('toystreets'))


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A working directory with the shipped configs alone: no data and no results."""
    place = tmp_path / 'place'
    place.mkdir()
    (place / 'configs').symlink_to(ROOT / 'configs')
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def mmseg_scope(monkeypatch):
    """MMSegmentation's registries with ours in them, as its Runner has them."""
    from mmseg.utils import register_all_modules

    import cfcontra_mm  # noqa: F401

    register_all_modules(init_default_scope=True)
    # BaseDataset sweeps the whole heap each time one is built.
    monkeypatch.setattr('mmengine.dataset.base_dataset.gc', mock.Mock())
