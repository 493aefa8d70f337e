"""Training goes on where it stopped: checkpoints, copies, schedulers."""

import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from ours import of_ours
from torch import Tensor, nn
from torch.optim import lr_scheduler
from torch.testing import assert_close

from passband.optim import (
    SAM,
    USAM,
    DerivativeSGD,
    ExtrapolatedSGD,
    HessianUSAM,
    SecantSGD,
    SharpnessAware,
)

Make = Callable[..., Any]


def groups(model: nn.Module) -> list[dict[str, Any]]:
    first, *rest = model.parameters()
    return [{"params": [first], "lr": 0.2, "weight_decay": 0.1}, {"params": rest}]


MAKERS: dict[str, Make] = {
    "usam": lambda m: USAM(groups(m), 0.1, 0.1, momentum=0.9, nesterov=True, decay="loss"),
    "two-step": lambda m: USAM(groups(m), 0.1, 0.05, steps=2, momentum=0.9),
    "hessian": lambda m: HessianUSAM(groups(m), 0.1, 0.05, momentum=0.9, decay="decoupled"),
    "sam": lambda m: SAM(groups(m), 0.1, 0.05, momentum=0.9),
    "aware": lambda m: SharpnessAware(torch.optim.AdamW(groups(m), lr=0.01), rho=0.1, steps=2),
    "derivative": lambda m: DerivativeSGD(groups(m), 0.1, edge=3.0, momentum=0.8),
    "extrapolated": lambda m: ExtrapolatedSGD(groups(m), 0.1, 0.8, edge=3.0),
    "secant": lambda m: SecantSGD(groups(m), 0.1, edge=3.0, momentum=0.8),
}
ALL = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def test_every_optimizer_is_stopped_here() -> None:
    missing = of_ours() - {type(make(nn.Linear(1, 1))) for make in MAKERS.values()}
    assert not missing, f"add {missing} to MAKERS in tests/optim/test_checkpoints.py"


class Regression:
    def __init__(self, make: Make) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2))
            self.x, self.y = torch.randn(7, 4), torch.randn(7, 2)
        self.optimizer = make(self.model)

    def closure(self) -> Tensor:
        self.optimizer.zero_grad()
        loss = nn.functional.mse_loss(self.model(self.x), self.y)
        loss.backward()
        return loss

    def train(self, steps: int) -> Tensor:
        for _ in range(steps):
            self.optimizer.step(self.closure)
        return nn.utils.parameters_to_vector(self.model.parameters()).detach()


@ALL
def test_resumes_bit_for_bit_from_a_checkpoint(make: Make, tmp_path: Any) -> None:
    whole, first, second = (Regression(make) for _ in range(3))

    first.train(3)
    states = first.model.state_dict(), first.optimizer.state_dict()
    torch.save(states, tmp_path / "checkpoint.pt")
    model, optimizer = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    second.model.load_state_dict(model)
    second.optimizer.load_state_dict(optimizer)

    assert_close(second.train(3), whole.train(6), rtol=0, atol=0)


@ALL
@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))],
    ids=["deepcopy", "pickle"],
)
def test_copies_train_on_alike(make: Make, duplicate: Callable[[Any], Any]) -> None:
    one = Regression(make)
    one.train(3)
    one.optimizer.skipped = 2

    two = duplicate(one)

    assert two.optimizer.skipped == 2
    assert_close(two.train(3), one.train(3), rtol=0, atol=0)


SCHEDULERS: dict[str, Callable[[Any], Any]] = {
    "warm-up from zero": lambda o: lr_scheduler.LambdaLR(o, lambda k: min(k / 3, 1)),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=5),
    "one cycle": lambda o: lr_scheduler.OneCycleLR(
        o, max_lr=0.1, total_steps=8, cycle_momentum="momentum" in o.param_groups[0]
    ),
    "plateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=0),
    "sequence": lambda o: lr_scheduler.SequentialLR(
        o,
        [lr_scheduler.LinearLR(o, 0.1, total_iters=2), lr_scheduler.ExponentialLR(o, 0.9)],
        milestones=[2],
    ),
}


@ALL
@pytest.mark.parametrize("schedule", SCHEDULERS.values(), ids=SCHEDULERS)
def test_schedulers_move_the_rate_without_a_word(
    make: Make, schedule: Callable[[Any], Any]
) -> None:
    problem = Regression(make)
    rates: set[float] = set()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler = schedule(problem.optimizer)
        for k in range(6):
            problem.optimizer.step(problem.closure)
            rates.add(problem.optimizer.param_groups[0]["lr"])
            plateau = isinstance(scheduler, lr_scheduler.ReduceLROnPlateau)
            scheduler.step(*([float(k)] if plateau else []))

    assert len(rates) > 3


@ALL
def test_hooks_and_names_are_torchs(make: Make) -> None:
    problem = Regression(make)
    calls: list[str] = []
    problem.optimizer.register_step_pre_hook(lambda *_: calls.append("before"))
    problem.optimizer.register_step_post_hook(lambda *_: calls.append("after"))

    problem.train(1)

    assert calls == ["before", "after"]
    assert "Parameter Group 1" in repr(problem.optimizer)


@pytest.mark.parametrize("make", [USAM, SAM, HessianUSAM])
def test_named_parameters_are_accepted(make: Make) -> None:
    model = nn.Linear(2, 1)

    optimizer = make(model.named_parameters(), lr=0.1, rho=0.1)

    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]


def test_a_checkpoint_of_torch_sgd_keeps_its_momentum() -> None:
    sgd = Regression(lambda m: torch.optim.SGD(m.parameters(), lr=0.2, momentum=0.9))
    sgd.train(3)
    usam = Regression(lambda m: USAM(m.parameters(), 0.1, 0.05, momentum=0.5))
    usam.model.load_state_dict(sgd.model.state_dict())

    usam.optimizer.load_state_dict(copy.deepcopy(sgd.optimizer.state_dict()))

    group = usam.optimizer.param_groups[0]
    assert (group["lr"], group["momentum"], group["rho"]) == (0.2, 0.9, 0.05)
    group["rho"] = 0.0
    assert_close(usam.train(3), sgd.train(3), rtol=0, atol=0)
