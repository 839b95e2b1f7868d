"""The methods, one per file; ``base`` holds the contract that they keep."""

from .adabn import AdaBN
from .adaptsegnet import AdaptSegNet
from .advent import AdvEnt
from .base import DomainInputs, DomainView, UDASegmentor
from .cfcontra import CFContra
from .clan import CLAN
from .dacs import DACS
from .minent import MinEnt
from .source_only import SourceOnly

__all__ = [
    'CLAN',
    'DACS',
    'AdaBN',
    'AdaptSegNet',
    'AdvEnt',
    'CFContra',
    'DomainInputs',
    'DomainView',
    'MinEnt',
    'SourceOnly',
    'UDASegmentor',
]
