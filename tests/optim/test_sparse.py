"""Sparse gradients of embeddings: the same steps as with dense ones."""

import copy
import io
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.testing import assert_close

from passband.errors import SkippedStepWarning
from passband.optim import SAM, USAM, SharpnessAware

Make = Callable[..., Any]

MAKES: dict[str, Make] = {
    "usam": lambda p: USAM(p, 0.1, 0.2),
    "two-step, momentum": lambda p: USAM(p, 0.1, 0.2, steps=2, momentum=0.9),
    "nesterov, tensor by tensor": lambda p: USAM(
        p, 0.1, 0.2, momentum=0.9, nesterov=True, foreach=False
    ),
    "sam": lambda p: SAM(p, 0.1, 0.2, momentum=0.9),
    "asam": lambda p: SAM(p, 0.1, 0.2, adaptive=True),
    "decoupled decay": lambda p: USAM(p, 0.1, 0.2, weight_decay=0.1, decay="decoupled"),
    "decay in the loss": lambda p: USAM(p, 0.1, 0.2, weight_decay=0.1, decay="loss"),
    "around sgd": lambda p: SharpnessAware(torch.optim.SGD(p, 0.1, 0.9), rho=0.2, normalize=True),
    "around adagrad": lambda p: SharpnessAware(torch.optim.Adagrad(p, 0.1), rho=0.2),
}
pytestmark = pytest.mark.filterwarnings("ignore:Sparse invariant checks")  # torch's Adagrad
EVERY = pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)


class Words(nn.Module):
    """An embedding and a layer; a word comes twice in a batch, most never."""

    def __init__(self, *, sparse: bool) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.table = nn.Embedding(9, 4, sparse=sparse).double()
            self.layer = nn.Linear(4, 2).double()
            self.y = torch.randn(2, 3, 2).double()
        self.x = torch.tensor([[0, 1, 1], [3, 1, 5]])

    def loss(self) -> Tensor:
        return (self.layer(self.table(self.x)) - self.y).square().mean()

    def closure(self) -> Tensor:
        loss = self.loss()
        loss.backward()
        return loss

    def weights(self) -> Tensor:
        return torch.cat([p.detach().reshape(-1) for p in self.parameters()])


@EVERY
def test_steps_are_those_with_dense_gradients(make: Make) -> None:
    sparse, dense = Words(sparse=True), Words(sparse=False)
    for words in (sparse, dense):
        optimizer = make(words.parameters())
        for _ in range(5):
            optimizer.step(words.closure)

    assert_close(sparse.weights(), dense.weights(), rtol=1e-13, atol=1e-14)
    assert not torch.equal(sparse.weights(), Words(sparse=True).weights())


@pytest.mark.parametrize("make", [m for n, m in MAKES.items() if n != "decay in the loss"])
def test_by_hand_and_under_a_scaler_it_is_the_same(make: Make) -> None:
    by_closure, by_hand = Words(sparse=True), Words(sparse=True)
    first, second = make(by_closure.parameters()), make(by_hand.parameters())
    scaler = GradScaler("cpu", init_scale=8.0)
    for _ in range(3):
        first.step(by_closure.closure)
        ascents = 2 if make is MAKES["two-step, momentum"] else 1
        scaler.scale(by_hand.loss()).backward()
        for _ in range(ascents):
            with second.ascent(scaler=scaler):
                scaler.scale(by_hand.loss()).backward()
        scaler.step(second)
        scaler.update()
        second.zero_grad()

    assert_close(by_hand.weights(), by_closure.weights(), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_without_an_ascent_it_is_sgd_bit_for_bit_and_resumes(momentum: float) -> None:
    ours, theirs = Words(sparse=True), Words(sparse=True)
    optimizer = USAM(ours.parameters(), 0.1, 0.0, momentum=momentum)
    sgd = torch.optim.SGD(theirs.parameters(), 0.1, momentum)
    for i in range(4):
        optimizer.step(ours.closure)
        sgd.zero_grad()
        sgd.step(theirs.closure)
        if i == 1:  # as if in a new process
            file = io.BytesIO()
            torch.save(optimizer.state_dict(), file)
            file.seek(0)
            optimizer = USAM(ours.parameters(), 0.1, 0.0, momentum=momentum)
            optimizer.load_state_dict(torch.load(file))

    assert torch.equal(ours.weights(), theirs.weights())


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_a_gradient_that_is_not_finite_skips_the_step(bad: float) -> None:
    words = Words(sparse=True)
    optimizer = SAM(words.parameters(), 0.1, 0.2, momentum=0.9)
    optimizer.step(words.closure)
    weights, state = words.weights(), copy.deepcopy(optimizer.state_dict())

    def closure() -> Tensor:
        (loss := words.loss() * bad).backward()
        return loss

    with pytest.warns(SkippedStepWarning):
        optimizer.step(closure)

    assert torch.equal(words.weights(), weights)
    for entries, before in zip(
        optimizer.state_dict()["state"].values(), state["state"].values(), strict=True
    ):
        now, then = entries["momentum_buffer"], before["momentum_buffer"]
        assert torch.equal(
            now.to_dense() if now.is_sparse else now, then.to_dense() if then.is_sparse else then
        )


def test_coupled_decay_says_why_it_cannot_and_leaves_everything_in_place() -> None:
    words = Words(sparse=True)
    optimizer = USAM(words.parameters(), 0.1, 0.2, weight_decay=0.1)
    before = words.weights()

    with pytest.raises(TypeError, match="coupled weight decay changes every weight"):
        optimizer.step(words.closure)

    assert torch.equal(words.weights(), before)


def test_rounding_in_half_precision_is_measured_of_the_rows_used() -> None:
    table = nn.Embedding(50, 4, sparse=True).bfloat16()
    optimizer = USAM(table.parameters(), 0.1, 100.0)

    def closure() -> Tensor:
        (loss := table(torch.tensor([1, 2])).float().square().sum()).backward()
        return loss

    optimizer.step(closure)
    assert optimizer.moved_share == 1.0
