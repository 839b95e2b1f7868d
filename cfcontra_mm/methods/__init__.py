"""The methods, one per file; ``base`` holds the contract that they keep."""

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
    'AdaptSegNet',
    'AdvEnt',
    'CFContra',
    'DomainInputs',
    'DomainView',
    'MinEnt',
    'SourceOnly',
    'UDASegmentor',
]
