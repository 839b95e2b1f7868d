"""Mixed precision, and a simulated GPU."""

import torch
from mmengine.config import Config
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from cfcontra_mm.engine import domain_step
from cfcontra_mm.engine.amp import enable_amp
from cfcontra_mm.engine.step import make_passes
from cfcontra_mm.methods import UDASegmentor

from .tiny import build_optimizer, losses_of, random_batch


def test_bfloat16_gives_nearly_the_same_losses(
    cfg: Config, model: UDASegmentor
) -> None:
    enable_amp(cfg)
    optim_wrapper = build_optimizer(model, cfg)
    data = random_batch(0)
    passes, meta = make_passes(model, data), data['data_samples'][0].metainfo
    full = losses_of(model, passes, meta)
    with optim_wrapper.optim_context(model):
        mixed = losses_of(model, passes, meta)
    names = [name for name in full if 'loss' in name]
    assert any(mixed[name] != full[name] for name in names)
    for name in names:
        advice = f'{name}: compute losses in float32, for example of logits.float()'
        assert mixed[name].dtype == torch.float32, advice
        torch.testing.assert_close(mixed[name], full[name], rtol=0.1, atol=1e-3)
    log = domain_step(model, random_batch(1), optim_wrapper)
    assert all(torch.as_tensor(value).isfinite().all() for value in log.values())


def test_a_step_mixes_no_devices_and_waits_for_none(model: UDASegmentor) -> None:
    # Reading a value of a tensor without data raises, and so does mixing CPU and GPU
    # tensors. A backward pass would need a real GPU.
    data = random_batch(0)
    with FakeTensorMode(), torch.device('cuda'):
        onto_fake_gpu(model)
        data['inputs'] = [fake(image) for image in data['inputs']]
        for sample in data['data_samples']:
            if 'gt_sem_seg' in sample:
                sample.gt_sem_seg.data = fake(sample.gt_sem_seg.data)
        passes = make_passes(model, data)
        losses = losses_of(model, passes, data['data_samples'][0].metainfo)
    assert losses
    assert all(value.device.type == 'cuda' for value in losses.values())


def fake(tensor: Tensor) -> Tensor:
    """Return a tensor of the same shape on the default device, without data."""
    return torch.empty(tensor.shape, dtype=tensor.dtype)


def onto_fake_gpu(model: UDASegmentor) -> None:
    """Replace the tensors of a model by tensors without data."""
    model.data_preprocessor._device = torch.device('cuda')
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[name] = torch.nn.Parameter(
                    fake(parameter), parameter.requires_grad
                )
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = fake(buffer)
