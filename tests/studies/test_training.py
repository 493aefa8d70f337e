"""Training depends on its configuration alone, and ends when it cannot go on."""

import math
import warnings

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss
from typing_extensions import override

from passband.studies.images import Images
from passband.studies.methods import Method
from passband.studies.training import (
    accuracy,
    descend,
    environment,
    in_order,
    one_thread,
    optimizer_of,
    perceptron,
)

IMAGES = Images(torch.arange(20.0).reshape(10, 2), torch.arange(10))


def model(**options: float) -> nn.Sequential:
    return perceptron((2, 3, 1), activation=nn.Tanh, seed=0, **options)


def test_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = model()
    assert torch.equal(torch.get_rng_state(), before)  # nobody else's randomness is used

    torch.manual_seed(2)
    again = model()
    other = perceptron((2, 3, 1), activation=nn.Tanh, seed=1)

    weights, same, others = (next(net.parameters()) for net in (first, again, other))
    assert torch.equal(weights, same)
    assert not torch.equal(weights, others)


def test_gain_scales_every_parameter() -> None:
    for small, large in zip(model(gain=0.5).parameters(), model().parameters(), strict=True):
        torch.testing.assert_close(small, large / 2, rtol=0, atol=0)


def test_a_pass_shows_every_image_once_in_the_order_given_and_goes_on_anywhere() -> None:
    order = torch.randperm(10, generator=torch.Generator().manual_seed(0))

    whole = [y for _, y in in_order(IMAGES, order, batch=4)]
    rest = [y for _, y in in_order(IMAGES, order, batch=4, skip=1)]

    assert [len(y) for y in whole] == [4, 4, 2]
    assert torch.equal(torch.cat(whole), order)
    assert torch.equal(torch.cat(rest), order[4:])


def test_descend_is_the_loop_everybody_writes() -> None:
    net, same = model(), model()
    x, y = torch.ones(4, 2), torch.zeros(4, 1)
    method = Method(name="heavy ball", family="sgd", lr=0.1, momentum=0.9)

    losses = list(descend(net, optimizer_of(method, net), mse_loss, iter([(x, y)] * 3)))

    reference, expected = torch.optim.SGD(same.parameters(), lr=0.1, momentum=0.9), []
    for _ in range(3):
        reference.zero_grad()
        loss = mse_loss(same(x), y)
        loss.backward()
        reference.step()
        expected.append(loss.item())
    assert losses == expected
    for p, q in zip(net.parameters(), same.parameters(), strict=True):
        assert torch.equal(p, q)


@pytest.mark.parametrize("family", ["sgd", "usam", "hessian-usam"])
def test_descend_ends_when_the_loss_is_lost(family: str) -> None:
    net = nn.Linear(1, 1, bias=False)
    method = Method(name="wild", family=family, lr=1e9, rho=1.0)  # pyright: ignore[reportArgumentType]
    data = iter([(torch.full((2, 1), 1e6), torch.zeros(2, 1))] * 100)

    losses = list(descend(net, optimizer_of(method, net), mse_loss, data))

    assert len(losses) < 20
    assert not math.isfinite(losses[-1])


def test_descend_ends_when_the_optimizer_skips_steps() -> None:
    net = nn.Linear(1, 1, bias=False)
    method = Method(name="far", family="usam", lr=0.1, rho=1e38)
    data = iter([(torch.full((2, 1), 1e3), torch.ones(2, 1))] * 100)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as a user who does not want to hear it
        losses = list(descend(net, optimizer_of(method, net), mse_loss, data))

    assert len(losses) == 1
    assert math.isnan(losses[0])


def test_accuracy_counts_labels() -> None:
    class Says(nn.Module):
        @override
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.one_hot(x[:, 0].long() // 2, 20).float()

    wrong = IMAGES.y.clone()
    wrong[0] = 7

    assert accuracy(Says(), IMAGES) == 1.0
    assert accuracy(Says(), Images(IMAGES.x, wrong)) == pytest.approx(0.9)


def test_one_thread_puts_the_number_back() -> None:
    before = torch.get_num_threads()

    with one_thread():
        inside = torch.get_num_threads()

    assert (inside, torch.get_num_threads()) == (1, before)


def test_the_environment_is_text() -> None:
    found = environment()

    assert {"torch", "python", "platform", "threads", "passband", "device"} <= set(found)
