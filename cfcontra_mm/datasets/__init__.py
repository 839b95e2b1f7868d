"""Data sets, label tables, sampling of the two domains, and transforms."""

from cfcontra_mm.datasets.cityscapes import RawCityscapesDataset
from cfcontra_mm.datasets.classes import ClassTable, read_classes
from cfcontra_mm.datasets.domain import DomainDataset, DomainSampler, Draw
from cfcontra_mm.datasets.folders import FolderDataset, apply_folders
from cfcontra_mm.datasets.gta5 import GTA5Dataset
from cfcontra_mm.datasets.synthia import SYNTHIA_13, SYNTHIA_16, SYNTHIADataset
from cfcontra_mm.datasets.transforms import (
    LoadImage,
    LoadLabels,
    LoadSYNTHIALabels,
    MapLabels,
)
from cfcontra_mm.old_names import old_attributes

__all__ = [
    'SYNTHIA_13',
    'SYNTHIA_16',
    'ClassTable',
    'DomainDataset',
    'DomainSampler',
    'Draw',
    'FolderDataset',
    'GTA5Dataset',
    'LoadImage',
    'LoadLabels',
    'LoadSYNTHIALabels',
    'MapLabels',
    'RawCityscapesDataset',
    'SYNTHIADataset',
    'apply_folders',
    'read_classes',
]

__getattr__ = old_attributes(__name__)
