"""Style transfer as a transform of the data pipeline."""

from __future__ import annotations

import os.path as osp

import numpy as np
from mmcv.image import imresize
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from cfcontra_mm.datasets.files import IMAGE_SUFFIXES, list_files
from cfcontra_mm.errors import InputError

from .images import (
    Statistics,
    load_translator,
    naming,
    picture_statistics,
    read_picture,
    translate_picture,
)


@TRANSFORMS.register_module()
class AdaINStylize(BaseTransform):
    """Gives pictures the style of others, drawn at random, while they are loaded.

    Belongs after `LoadImage` in the source's pipeline; the size, the labels and all
    else stay. `tools/translate_dataset.py` does it once for all epochs instead.

    Args:
        config: Config of the translator, one of `configs/adain`.
        checkpoint: The translator's.
        styles: Folder of the pictures that lend their style, subfolders included.
        alpha: Share of the style, from 0 to 1.
        prob: Probability that a picture is stylised.
        style_scale: Width and height that the pictures that lend their style are
            resized to, for images that are resized before they are stylised; their
            own if ``None``.

    Raises:
        InputError: A number is out of range, there are no styles or no translator; on
            use, a style picture that cannot be read.
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
        names = list_files(styles, IMAGE_SUFFIXES, 'AdaINStylize.styles')
        self.styles = [osp.join(styles, name) for name in names]
        self.alpha, self.prob = alpha, prob
        self.style_scale = style_scale
        # Here, so that errors come before training and forked workers share it.
        self.model = load_translator(config, checkpoint)
        self._statistics: dict[str, Statistics] = {}

    def transform(self, results: dict) -> dict:
        """Replaces img, BGR, uint8, (H, W, 3)."""
        if np.random.rand() >= self.prob:
            return results
        style = self.styles[np.random.randint(len(self.styles))]
        statistics = self._statistics_of(style)
        with naming(results['img_path']):
            translated = translate_picture(
                self.model,
                results['img'][..., ::-1],
                statistics,
                self.alpha,
            )
        results['img'] = np.ascontiguousarray(translated[..., ::-1])
        return results

    def _statistics_of(self, path: str) -> Statistics:
        if path not in self._statistics:
            picture = read_picture(path)
            if self.style_scale is not None:
                picture = imresize(
                    picture, self.style_scale, interpolation='bicubic', backend='pillow'
                )
            with naming(path):
                self._statistics[path] = picture_statistics(self.model, picture)
        return self._statistics[path]

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(styles={len(self.styles)}, alpha={self.alpha}, '
            f'prob={self.prob}, style_scale={self.style_scale})'
        )
