import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from torch import nn

from cfcontra_mm.engine.amp import enable_amp
from cfcontra_mm.errors import InputError

SGD = dict(type='SGD', lr=0.1)


@pytest.fixture(params=[None, True, False])
def mixed(request, monkeypatch):
    """The type expected on a CPU, a GPU with bfloat16, a GPU without."""
    monkeypatch.setattr('torch.cuda.is_available', lambda: request.param is not None)
    monkeypatch.setattr('torch.cuda.is_bf16_supported', lambda: bool(request.param))
    return 'AmpOptimWrapper' if request.param is False else 'BFloat16OptimWrapper'


def test_one_optimizer(mixed):
    for wrapper in (dict(optimizer=SGD), dict(type='OptimWrapper', optimizer=SGD)):
        cfg = Config(dict(optim_wrapper=wrapper))
        enable_amp(cfg)
        assert cfg.optim_wrapper.type == mixed
        assert cfg.optim_wrapper.optimizer.to_dict() == SGD


def test_several_optimizers(mixed):
    member = dict(type='OptimWrapper', optimizer=SGD)
    wrapper = dict(constructor='Joint', a=member, b=dict(member))
    cfg = Config(dict(optim_wrapper=wrapper))
    enable_amp(cfg)
    assert cfg.optim_wrapper.a.type == cfg.optim_wrapper.b.type == mixed
    assert 'type' not in cfg.optim_wrapper


def test_unknown_wrapper():
    cfg = Config(dict(optim_wrapper=dict(type='ApexOptimWrapper', optimizer=SGD)))
    with pytest.raises(InputError, match='ApexOptimWrapper'):
        enable_amp(cfg)


def test_forward_in_bfloat16_weights_in_float32():
    model = nn.Linear(2, 2)
    cfg = dict(type='mmseg.BFloat16OptimWrapper', optimizer=SGD)
    wrapper = build_optim_wrapper(model, cfg)
    with wrapper.optim_context(model):
        out = model(torch.ones(1, 2))
    assert out.dtype == torch.bfloat16
    wrapper.update_params(out.float().sum())
    assert model.weight.dtype == torch.float32
