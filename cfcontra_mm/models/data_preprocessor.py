"""Split a mixed batch into one normalised batch per domain."""

from __future__ import annotations

from mmseg.models import SegDataPreProcessor
from mmseg.registry import MODELS

from cfcontra_mm.domains import DOMAINS


@MODELS.register_module()
class DomainPreprocessor(SegDataPreProcessor):
    """Preprocessor that splits a training batch by domain and normalises each part.

    In validation and test it works as mmseg's ``SegDataPreProcessor``.
    """

    def forward(self, data: dict, training: bool = False) -> dict:
        """Normalise and stack a batch on the device.

        Args:
            data: Dict of ``inputs``, a list of images (3, H, W), and ``data_samples``,
                whose metainfo names the ``domain`` in training.
            training: Whether the batch is a training batch.

        Returns:
            In training, a dict of ``inputs`` (N, 3, H, W) and ``data_samples`` for each
            domain in the batch; else one such dict.
        """
        if not training:
            return super().forward(data, training=False)
        parts = {domain: _select(data, domain) for domain in DOMAINS}
        return {
            domain: super(DomainPreprocessor, self).forward(part, training=True)
            for domain, part in parts.items()
            if part['inputs']
        }


def _select(data: dict, domain: str) -> dict:
    pairs = zip(data['inputs'], data['data_samples'], strict=True)
    chosen = [pair for pair in pairs if pair[1].metainfo['domain'] == domain]
    return dict(inputs=[x for x, _ in chosen], data_samples=[s for _, s in chosen])
