"""Style transfer as a transform of the data pipeline."""

from __future__ import annotations

import os.path as osp

import numpy as np
from mmcv.image import imresize
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from cfcontra_mm.datasets.files import IMAGE_SUFFIXES, list_files, report_left_out
from cfcontra_mm.errors import InputError
from cfcontra_mm.images import read_image

from .images import (
    Statistics,
    image_statistics,
    load_translator,
    prefix_errors,
    translate_image,
)


@TRANSFORMS.register_module()
class AdaINStylize(BaseTransform):
    """Translate images to the style of randomly drawn images while they are loaded.

    It belongs after ``LoadImage`` in the source's pipeline, and changes neither the
    size nor the labels. ``tools/translate_dataset.py`` translates a data set once for
    all epochs instead.

    Args:
        config: Config of the translator, one of ``configs/adain``.
        checkpoint: Checkpoint of the translator.
        styles: Folder of the style images, subfolders included.
        alpha: Strength of the style, from 0 to 1.
        prob: Probability that an image is translated.
        style_scale: Width and height to resize style images to, if the images are
            resized before they are translated; ``None`` keeps their size.

    Raises:
        InputError: A number is out of range, the folder holds no style images or the
            translator cannot be loaded; in use, if a style image cannot be read.
    """

    def __init__(
        self,
        config: str,
        checkpoint: str,
        styles: str,
        alpha: float = 1.0,
        prob: float = 1.0,
        style_scale: tuple[int, int] | None = None,
    ) -> None:
        for name, share in dict(alpha=alpha, prob=prob).items():
            if not 0 <= share <= 1:
                raise InputError(f'AdaINStylize.{name}: must be in 0-1, not {share}')
        listing = list_files(styles, IMAGE_SUFFIXES, 'AdaINStylize.styles')
        report_left_out(listing.left_out, len(listing.files), styles)
        self.styles = [osp.join(styles, name) for name in listing.files]
        self.alpha, self.prob = alpha, prob
        self.style_scale = style_scale
        # Loaded here, so that errors come before training and forked workers share it.
        self.model = load_translator(config, checkpoint)
        self._statistics: dict[str, Statistics] = {}

    def transform(self, results: dict) -> dict:
        """Replace ``img``, BGR, uint8, (H, W, 3), by its translation."""
        if np.random.rand() >= self.prob:
            return results
        style = self.styles[np.random.randint(len(self.styles))]
        statistics = self._statistics_of(style)
        with prefix_errors(results['img_path']):
            translated = translate_image(
                self.model, results['img'][..., ::-1], statistics, self.alpha
            )
        results['img'] = np.ascontiguousarray(translated[..., ::-1])
        return results

    def _statistics_of(self, path: str) -> Statistics:
        if path not in self._statistics:
            image = read_image(path)
            if self.style_scale is not None:
                image = imresize(
                    image, self.style_scale, interpolation='bicubic', backend='pillow'
                )
            with prefix_errors(path):
                self._statistics[path] = image_statistics(self.model, image)
        return self._statistics[path]

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(styles={len(self.styles)}, alpha={self.alpha}, '
            f'prob={self.prob}, style_scale={self.style_scale})'
        )
