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
from .loss_shares import LossShare, measure_loss_shares
from .loss_shares_hook import LossSharesHook
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
    'LossShare',
    'LossSharesHook',
    'MeanLossesHook',
    'MemoryBankHook',
    'MissedValidationHook',
    'StatisticsHook',
    'StopHook',
    'SyncStatisticsHook',
    'ValidationRandomStateHook',
    'domain_step',
    'measure_loss_shares',
]

__getattr__ = old_attributes(__name__)
