import numpy as np
import pytest
from helpers import labelled_split
from PIL import Image

PALETTE = {'road': [128, 64, 128], 'sky': [70, 130, 180], 'car': [0, 0, 142]}


class TestSplit:
    """Three random label maps with predictions, and the config of their data set."""

    __test__ = False

    def __init__(self, root):
        self.root = root
        self.config, self.predictions = root / 'config.py', root / 'predictions'
        self.config.write_text(labelled_split(root, PALETTE))
        rng = np.random.default_rng(0)
        labels = rng.choice([0, 1, 255], (3, 8, 16)).astype(np.uint8)
        predicted = rng.integers(0, 3, (3, 8, 16)).astype(np.uint8)
        images = rng.integers(0, 255, (3, 8, 16, 3)).astype(np.uint8)
        self.labels, self.predicted = labels, predicted
        for folder in ('images', 'labels', 'predictions'):
            (root / folder).mkdir()
        for n in range(3):
            Image.fromarray(images[n]).save(root / 'images' / f'{n}.png')
            Image.fromarray(labels[n]).save(root / 'labels' / f'{n}.png')
            self.write_prediction(n, predicted[n])

    def write_prediction(self, n, array):
        Image.fromarray(array).save(self.predictions / f'{n}.png')


@pytest.fixture
def split(tmp_path):
    return TestSplit(tmp_path)
