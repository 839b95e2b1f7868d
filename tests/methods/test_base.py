"""What the base of all methods does for them."""

import copy

import pytest
import torch
from helpers import build_method, case_of, random_batch, sample, tiny_config
from mmseg.registry import MODELS
from torch import nn

from cfcontra_mm.contract.tiny import build_optimizer
from cfcontra_mm.engine import domain_step
from cfcontra_mm.errors import InputError
from cfcontra_mm.methods import DomainInputs, MinEnt, SourceOnly, UDASegmentor
from cfcontra_mm.methods.passes import domain_inputs


def build(kind, folder='source_only', **changes):
    """A method that is in no registry, with the settings of a folder's."""
    cfg = tiny_config(folder).model
    cfg.update(changes)
    settings = {k: v for k, v in cfg.items() if k != 'type'}
    torch.manual_seed(0)
    model = kind(**copy.deepcopy(settings))
    model.init_weights()
    return model.train()


def step(model, data, folder='minent'):
    return domain_step(model, data, build_optimizer(model, tiny_config(folder)))


def only(data, domain):
    """The samples of one domain."""
    chosen = [i for i, s in enumerate(data['data_samples']) if s.domain == domain]
    return {key: [values[i] for i in chosen] for key, values in data.items()}


def test_supervised_losses_have_their_weights():
    model = build(SourceOnly)
    data = random_batch(0)
    source = domain_inputs(model.data_preprocessor(data, training=True), 'source')
    log = step(copy.deepcopy(model), data)
    logits = model.view(source).logits
    assert set(logits) == {'decode', 'aux'}
    for name in logits:
        weight = 0.1 if name == 'aux' else 1.0
        p = logits[name].double().softmax(1)
        picked = p.gather(1, source.labels.where(source.labels != 255, 0)[:, None])
        entropy = -picked[:, 0].log()[source.labels != 255].mean()
        found = log[f'source.{name}.loss_ce'].double()
        torch.testing.assert_close(found, weight * entropy, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('domain', ['source', 'target'])
def test_a_batch_without_a_domain_that_is_needed_is_refused(domain):
    other = 'target' if domain == 'source' else 'source'
    with pytest.raises(InputError, match=f'no {domain} sample.*per_domain'):
        step(build(MinEnt, 'minent'), only(random_batch(0), other))


def test_source_only_needs_no_target():
    log = step(build(SourceOnly), only(random_batch(0), 'source'))
    assert set(log) > {'loss', 'source.decode.loss_ce'}


class SourceFree(MinEnt):
    def passes(self, source, target):
        assert source is None
        return dict(target=target)


def test_a_method_may_need_no_source():
    log = step(build(SourceFree, 'minent'), only(random_batch(0), 'target'))
    assert not any(name.startswith('source') for name in log)
    assert log['target.decode.loss_ent'] > 0


class Joint(UDASegmentor):
    """Both domains in one pass."""

    def passes(self, source, target):
        return dict(
            joint=DomainInputs(
                torch.cat([source.images, target.images]),
                None,
                [*source.data_samples, *target.data_samples],
            )
        )

    def joint_losses(self, joint):
        first, second = joint.features[-1].mean(dim=(2, 3)).chunk(2)
        return dict(loss_mean=(first - second).square().mean())


def test_source_and_target_may_meet_in_one_pass():
    log = step(build(Joint), random_batch(0))
    assert set(log) == {'loss', 'joint.loss_mean'}


class Waiting(UDASegmentor):
    def target_losses(self, target):
        return {}


def test_a_pass_without_losses_is_run_all_the_same():
    log = step(build(Waiting), random_batch(0))
    assert log['target.loss_none'] == 0


class Constant(UDASegmentor):
    def target_losses(self, target):
        return dict(loss_constant=torch.tensor(3.0))


def test_a_loss_without_a_graph_is_summed_all_the_same():
    log = step(build(Constant), random_batch(0))
    assert log['target.loss_constant'] == 3
    assert log['loss'] > 3


def passing(**made):
    """A method with these passes, made by functions of the source and the target."""

    class Passing(UDASegmentor):
        def passes(self, source, target):
            return {name: make(source, target) for name, make in made.items()}

        def lossy_losses(self, view):
            return {}

        def bare_losses(self, view):
            return self.supervised_losses(view)

    return Passing


@pytest.mark.parametrize(
    ('passes', 'said'),
    [
        ({}, 'passes: returns no pass'),
        (dict(source=lambda s, t: s, mixed=lambda s, t: s), 'add mixed_losses'),
        (dict(source=lambda s, t: s.images), "'source' must be DomainInputs, not Tens"),
        (dict(lossy=lambda s, t: s), "the name 'lossy' makes every logged value"),
        (dict(bare=lambda s, t: t), 'a pass without labels has no supervised loss'),
    ],
)
def test_passes_that_cannot_be_run_are_refused(passes, said):
    with pytest.raises(InputError, match=said):
        step(build(passing(**passes)), random_batch(0))


def test_the_signature_of_before_is_refused():
    with pytest.raises(
        InputError, match=r'Old\.target_losses: must take the view alone'
    ):

        class Old(UDASegmentor):
            def target_losses(self, target, source):
                return {}


class Drawing(SourceOnly):
    """Draws before, and builds a module after the network."""

    def __init__(self, **kwargs):
        torch.rand(5)
        super().__init__(**kwargs)
        self.extra = nn.Linear(3, 3)


@pytest.mark.parametrize('network', ['deeplab', 'segformer'])
def test_what_a_constructor_draws_moves_no_start(network):
    cfg = case_of('source_only', network).load().model
    settings = {k: v for k, v in cfg.items() if k != 'type'}
    states = []
    for kind in (SourceOnly, Drawing):
        torch.manual_seed(3)
        model = kind(**copy.deepcopy(settings))
        model.init_weights()
        states.append(model.state_dict())
    plain, drawing = states
    assert 'extra.weight' in drawing
    assert [k for k in plain if not torch.equal(plain[k], drawing[k])] == []
    assert len({float(v.flatten()[0]) for v in plain.values() if v.ndim == 4}) > 9


class Reading(SourceOnly):
    """Asks the device for a value."""

    def source_losses(self, source):
        losses = super().source_losses(source)
        return losses | dict(level=torch.tensor(losses['decode.loss_ce'].item()))


def test_the_contract_notices_a_method_that_waits_for_the_device():
    from torch._subclasses.fake_tensor import DataDependentOutputException

    from cfcontra_mm.contract import test_devices

    with pytest.raises(DataDependentOutputException):
        test_devices.test_a_step_mixes_no_devices_and_waits_for_none(build(Reading))
    test_devices.test_a_step_mixes_no_devices_and_waits_for_none(build(SourceOnly))


def predicted_samples(model, seed=5):
    images = torch.randint(
        0, 256, (2, 3, 32, 64), generator=torch.Generator().manual_seed(seed)
    )
    data = dict(inputs=list(images.byte()), data_samples=[sample('target')] * 2)
    with torch.no_grad():
        return model.eval().test_step(copy.deepcopy(data))


def test_predictions_say_where_the_heads_agree():
    model = build_method(tiny_config('source_only').model)
    torch.manual_seed(3)
    seen = []

    def disturb(head, inputs, scores):
        # Those of a network that has not learnt are of one class.
        seen.append(torch.randn_like(scores))
        return seen[-1]

    model.decode_head.register_forward_hook(disturb)
    model.auxiliary_head.register_forward_hook(disturb)
    results = predicted_samples(model)
    main, other = (scores.argmax(1) for scores in seen)
    found = torch.cat([result.head_agreement.data for result in results])
    assert torch.equal(found, main == other)
    assert 0 < found.float().mean() < 1


def test_predictions_of_one_head_agree_with_none():
    model = build_method(dict(tiny_config('source_only').model, auxiliary_head=None))
    assert not any('head_agreement' in result for result in predicted_samples(model))


def test_predicts_as_mmsegs_own_segmentor():
    cfg = tiny_config('source_only').model
    model = build_method(cfg)
    step(model, random_batch(0))
    bare = MODELS.build(
        dict(
            cfg,
            type='EncoderDecoder',
            data_preprocessor=dict(cfg.data_preprocessor, type='SegDataPreProcessor'),
        )
    )
    bare.load_state_dict(model.state_dict())
    for one, two in zip(predicted_samples(model), predicted_samples(bare), strict=True):
        assert torch.equal(one.seg_logits.data, two.seg_logits.data)
