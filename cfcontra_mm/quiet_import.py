"""Import MMSegmentation without what it says of optional packages that are missing."""

import contextlib
import io
import warnings

import mmengine.utils  # noqa: F401  # its progress bars write to the stdout of its import

# It prints them, also to a closed pipe or a full disk.
with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
    warnings.filterwarnings('ignore', 'Fail to import')
    import mmseg.datasets
    import mmseg.models  # noqa: F401
