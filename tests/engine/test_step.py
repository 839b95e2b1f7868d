"""What a step draws at random, and from where."""

import copy

import pytest
import torch
from helpers import case_of, random_batch, sample

from cfcontra_mm.contract.tiny import losses_of
from cfcontra_mm.engine.step import make_passes
from cfcontra_mm.methods import UDASegmentor


class Drawing(UDASegmentor):
    """Notes what it draws in its passes."""

    def passes(self, source, target):
        self.drawn = torch.rand(1).item()
        return dict(source=source, again=source)

    def again_losses(self, again):
        return dict(loss=again.logits['decode'].mean())


def build(network='segformer'):
    cfg = case_of('source_only', network).load().model
    settings = {k: v for k, v in cfg.items() if k != 'type'}
    torch.manual_seed(0)
    return Drawing(**copy.deepcopy(settings)).train()


def batch(step=3, count=40):
    data = random_batch(1)
    for place, image in enumerate(data['data_samples']):
        image.set_metainfo(dict(draw=(5, count + place), step=step))
    return data


def test_passes_are_drawn_from_the_step_alike_on_all_ranks():
    model, drawn = build(), []
    for step, count in ((3, 40), (3, 44), (4, 40)):
        torch.rand(count)
        make_passes(model, batch(step, count))
        drawn.append(model.drawn)
    assert drawn[0] == drawn[1] != drawn[2]


def test_dropout_is_drawn_from_the_rank_the_step_and_the_pass():
    model = build()
    found = []
    for count in (40, 40, 44):
        torch.rand(1)
        data = batch(count=count)
        passes = make_passes(model, data)
        passes['again'] = passes['source']
        losses = losses_of(model, passes, data['data_samples'][0].metainfo)
        found.append(losses['source.decode.loss_ce'].item())
    assert found[0] == found[1] != found[2]


def test_two_passes_drop_other_units():
    model = build()
    data = batch()
    source = make_passes(model, data)['source']
    meta = data['data_samples'][0].metainfo
    model.other_losses = model.source_losses
    losses = losses_of(model, dict(source=source, other=source), meta)
    first, second = (losses[f'{n}.decode.loss_ce'] for n in ('source', 'other'))
    assert first != second


def test_a_step_leaves_the_generators_as_they_were():
    model = build()
    before = torch.get_rng_state()
    make_passes(model, batch())
    assert torch.equal(torch.get_rng_state(), before)


def test_a_batch_that_names_no_draw_draws_from_the_generators():
    model = build()
    data = batch()
    data['data_samples'] = [
        sample(s.domain, s.gt_sem_seg.data if 'gt_sem_seg' in s else None)
        for s in data['data_samples']
    ]
    torch.manual_seed(2)
    make_passes(model, data)
    torch.manual_seed(2)
    assert model.drawn == torch.rand(1).item()


@pytest.mark.parametrize('network', ['deeplab', 'segformer'])
def test_passes_have_no_graph(network):
    model = build(network)

    def passes(source, target):
        return dict(source=source._replace(images=model.logits(source.images)))

    model.passes = passes
    made = make_passes(model, batch())
    assert not made['source'].images.requires_grad
