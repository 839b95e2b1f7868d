from pathlib import Path

import pytest
from helpers import labelled_split, write_streets

from cfcontra_mm import version
from cfcontra_mm.benchmark import Row, Study, run_study
from cfcontra_mm.benchmark.runs import main

FAKE_TOOLS = Path(__file__).parent / 'fake_tools'
CONFIG = """
data_root = {data_root!r}
train_cfg = dict(type='IterBasedTrainLoop', max_iters={max_iters})
val_dataloader = {val_dataloader}
fake = dict(
    dies_validating={dies_validating},
    fails_at={fails_at}, crashes_at={crashes_at}, exit_status={exit_status},
    seconds_per_iter={seconds_per_iter},
    metrics={metrics})
"""
PALETTE = {'road': [128, 64, 128], 'sky': [70, 130, 180]}
MIOUS = {'source': 20.0, 'method': 26.0, 'oracle': 50.0}


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(main, 'POLL_SECONDS', 0.02)
    monkeypatch.setattr(main, 'write_toystreets', lambda **arguments: None)
    monkeypatch.setattr(version, '__version__', '1.2.3')


@pytest.fixture
def images(tmp_path):
    """Folder of six 64x32 images, road below sky, with their labels."""
    return write_streets(tmp_path / 'data')


def metrics(miou):
    return {'mIoU': miou, 'IoU.road': miou + 10, 'IoU.sky': max(miou - 10, 0.0)}


class FakeStudy:
    """Three rows whose trainings take a moment, and the way to run them."""

    def __init__(self, root, images):
        self.root, self.images, self.out = root, images, root / 'out'
        self.tools = FAKE_TOOLS
        for name in MIOUS:
            self.configure(name)
        self.study = Study(
            name='fake',
            rows=tuple(Row(name, str(root / f'{name}.py')) for name in MIOUS),
            baseline='source',
            oracle='oracle',
            seeds=(0,),
            data={'root': str(images)},
        )

    def configure(self, name, **changes):
        values = {
            'data_root': str(self.images),
            'max_iters': 20,
            'val_dataloader': None,
            'dies_validating': False,
            'fails_at': None,
            'crashes_at': None,
            'exit_status': 1,
            'seconds_per_iter': 0.0,
            'metrics': metrics(MIOUS.get(name, 0.0)),
        }
        text = CONFIG.format(**{**values, **changes})
        split = labelled_split(self.images, PALETTE)
        (self.root / f'{name}.py').write_text(text + split)

    def run(self, **arguments):
        return run_study(self.study, self.out, self.tools, **arguments)

    def logs(self, name):
        """Log of every folder that a row has run in."""
        paths = self.root.glob(f'runs/{name}_seed*/log.txt')
        return [path.read_text() for path in sorted(paths)]


@pytest.fixture
def fake(tmp_path, images):
    return FakeStudy(tmp_path, images)
