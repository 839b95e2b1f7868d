"""One method, one file; ``base`` holds the contract."""

from .base import DomainInputs, DomainView, UDASegmentor
from .cfcontra import CFContra
from .minent import MinEnt
from .source_only import SourceOnly

__all__ = [
    'CFContra',
    'DomainInputs',
    'DomainView',
    'MinEnt',
    'SourceOnly',
    'UDASegmentor',
]
