import pytest


@pytest.fixture(autouse=True)
def _mmseg(mmseg_scope):
    """Transforms and data sets are built from their configs."""
