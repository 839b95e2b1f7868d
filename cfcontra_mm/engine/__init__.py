"""The training step over domains, its hooks and its distributed set-up."""

from cfcontra_mm.old_names import old_attributes

from .checkpoints import AtomicCheckpointHook
from .ddp import DomainDistributedDataParallel
from .finite_losses import FiniteLossHook
from .hooks import (
    MeanLossesHook,
    MissedValidationHook,
    SyncStatisticsHook,
    ValidationRandomStateHook,
)
from .joint_optim import JointOptimWrapper, JointOptimWrapperConstructor
from .memory_bank import MemoryBankHook
from .schedule import InverseTimeLR
from .statistics import StatisticsHook
from .step import domain_step
from .stopping import StopHook

__all__ = [
    'AtomicCheckpointHook',
    'DomainDistributedDataParallel',
    'FiniteLossHook',
    'InverseTimeLR',
    'JointOptimWrapper',
    'JointOptimWrapperConstructor',
    'MeanLossesHook',
    'MemoryBankHook',
    'MissedValidationHook',
    'StatisticsHook',
    'StopHook',
    'SyncStatisticsHook',
    'ValidationRandomStateHook',
    'domain_step',
]

__getattr__ = old_attributes(__name__)
