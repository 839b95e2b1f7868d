"""AdaBN: adaptive batch normalisation (Li et al., ICLR workshop 2017)."""

from mmseg.registry import MODELS

from .source_only import SourceOnly


@MODELS.register_module()
class AdaBN(SourceOnly):
    r"""Training with the source alone, tested under statistics of the target.

    .. math:: y = \gamma \frac{x - \mu_t}{\sqrt{\sigma_t^2 + \epsilon}} + \beta

    in every layer of batch normalisation, where :math:`\mu_t, \sigma_t^2` are mean and
    variance over target images, in place of the running ones. No loss sees the target:
    it is what any method of adaptation has to beat. The config sets
    ``statistics='target'`` of :class:`cfcontra_mm.engine.StatisticsHook`.
    """
