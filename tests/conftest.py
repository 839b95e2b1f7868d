import sys
from pathlib import Path

import pytest

# The helpers are importable under every import mode of pytest.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope='session')
def toystreets(tmp_path_factory):
    """Folder of a tiny ToyStreets pair, see `write_tiny_toystreets`."""
    from cfcontra_mm.contract.tiny import write_tiny_toystreets

    return write_tiny_toystreets(tmp_path_factory.mktemp('toystreets'))
