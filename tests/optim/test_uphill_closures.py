"""What a closure may do, and must not, in an optimizer that calls it several times."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close
from uphill_problem import ALL, Make, Problem, assert_same, unmoved

from passband.optim import USAM


@ALL
@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda _: None, r"must return the loss as a tensor; got None"),
        (lambda loss: loss.item(), r"must return the loss as a tensor; got \d"),
        (lambda loss: loss.expand(2), r"must return one number; got shape \(2,\)"),
    ],
    ids=["None", "float", "vector"],
)
def test_a_closure_must_return_the_loss(
    make: Make, returned: Callable[[Tensor], Any], message: str
) -> None:
    problem = Problem(make)

    with unmoved(problem), pytest.raises((TypeError, ValueError), match=message):
        problem.step(lambda: returned(problem.loss()))
    assert problem.evaluations == 1


@ALL
def test_a_closure_may_detach_the_loss(make: Make) -> None:
    problem, twin = Problem(make), Problem(make)

    problem.step(lambda: problem.loss().detach())

    twin.step()
    assert_same(problem.snapshot(), twin.snapshot())


@ALL
def test_a_closure_is_needed(make: Make) -> None:
    problem = Problem(make)

    with unmoved(problem), pytest.raises(TypeError, match="needs a closure"):
        problem.optimizer.step()


@ALL
def test_a_closure_without_backward_is_an_error(make: Make) -> None:
    problem = Problem(make)

    def closure() -> Tensor:
        return problem.model(problem.x[0]).mean()

    with unmoved(problem), pytest.raises(ValueError, match=r"loss\.backward\(\)"):
        problem.step(closure)


@ALL
def test_a_closure_may_forget_to_clear_gradients(make: Make) -> None:
    problem, twin = Problem(make), Problem(make)

    def forgetful() -> Tensor:
        loss = (problem.model(problem.x[0]) - problem.y).square().mean()
        loss.backward()
        return loss

    problem.step(forgetful)

    twin.step()
    assert_same(problem.snapshot(), twin.snapshot())


@ALL
def test_the_loss_is_that_of_the_weights_before_the_step(make: Make) -> None:
    problem = Problem(make)
    expected = problem.loss().detach()

    loss = problem.step()

    assert_close(loss, expected, rtol=0, atol=0)
    assert not loss.requires_grad


@ALL
def test_a_closure_runs_with_gradients_and_the_step_without(make: Make) -> None:
    problem = Problem(make)

    with torch.no_grad():
        loss = problem.step()

    assert torch.is_grad_enabled()
    assert loss.isfinite()
    assert all(not p.grad.requires_grad for p in problem.model.parameters())  # pyright: ignore[reportOptionalMemberAccess]


def test_a_closure_that_clears_the_model_leaves_others_the_gradient_that_counts() -> None:
    """``f = (a + b)²`` at ``a = b = 1``: the ascent takes a to 1 + 0.5 · 4, with slope 8."""
    a, b = (torch.tensor(1.0, requires_grad=True) for _ in range(2))
    optimizer = USAM([a], 0.1, 0.5)
    found: list[float] = []
    for clears in (True, False):
        b.grad = None
        with torch.no_grad():
            a.fill_(1.0)

        def closure(clears: bool = clears) -> Tensor:
            if clears:
                a.grad = b.grad = None
            loss = (a + b) ** 2
            loss.backward()
            return loss

        optimizer.step(closure)
        assert b.grad is not None
        found.append(float(b.grad))

    assert found == [8.0, 4.0 + 8.0]
