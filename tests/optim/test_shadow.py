"""Float32 copies: what is rounded away without them, survives on average with them."""

import copy
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from passband import optim
from passband.errors import LostPerturbationWarning

HALF = torch.bfloat16


def bits(model: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in model.parameters()]


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 3)).to(HALF)


def stepped(
    shadow: optim.Shadow, optimizer: torch.optim.Optimizer, closure: Callable[[], Tensor]
) -> Tensor:
    loss = shadow.step(optimizer, closure)
    assert loss is not None
    return loss.detach()


def closure_of(model: nn.Module, seed: int = 1) -> Callable[[], Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(20, 6, generator=generator).to(HALF)
    y = torch.randint(0, 3, (20,), generator=generator)

    def closure() -> Tensor:
        loss = nn.functional.cross_entropy(model(x).float(), y)
        loss.backward()
        return loss

    return closure


def test_an_ascent_moves_the_weights_by_the_right_amount_on_average() -> None:
    # spacing is 2⁻⁷ in [1, 2): the ascent of 2⁻¹⁰ moves an eighth of the weights by eight times it
    n, ascent = 40_000, 2.0**-10
    start = 1 + torch.rand(n, generator=torch.Generator().manual_seed(0)) * 0.9
    w = nn.Parameter(start.to(HALF))
    seen: list[Tensor] = []

    def closure() -> Tensor:
        seen.append(w.detach().float().clone())
        loss = w.sum(dtype=torch.float32)
        loss.backward()
        return loss

    bare = optim.USAM([w], lr=1e-9, rho=ascent)
    with pytest.warns(LostPerturbationWarning):
        bare.step(closure)
    assert torch.equal(*seen)  # not one weight has moved

    seen.clear()
    shadow = optim.Shadow([w])
    with torch.no_grad():
        shadow.params[0].copy_(start)  # pyright: ignore[reportIndexIssue]
    shadow.publish()
    optimizer = optim.USAM(shadow.params, lr=1e-9, rho=ascent)
    with warnings.catch_warnings():
        warnings.simplefilter("error", LostPerturbationWarning)
        shadow.step(optimizer, closure)
    moved = seen[1] - seen[0]
    deviation = (2.0**-7 * ascent / n) ** 0.5  # of a mean of n moves that are 2⁻⁷ or nothing
    assert abs(moved.mean().item() - ascent) < 4 * deviation
    assert optimizer.moved_share is None


def test_without_ascent_the_copies_follow_float32_training_on_the_same_gradients(
    model: nn.Module,
) -> None:
    shadow = optim.Shadow(model.parameters())
    optimizer = optim.USAM(shadow.params, lr=0.05, rho=0.0, momentum=0.9, weight_decay=0.01)
    reference = copy.deepcopy(model)
    masters = [nn.Parameter(p.detach().float()) for p in reference.parameters()]
    sgd = torch.optim.SGD(masters, lr=0.05, momentum=0.9, weight_decay=0.01)
    closure, expected = closure_of(model), closure_of(reference)
    for _ in range(5):
        shadow.step(optimizer, closure)
        reference.zero_grad()
        expected()
        for master, p in zip(masters, reference.parameters(), strict=True):
            assert p.grad is not None
            master.grad = p.grad.float()
        sgd.step()
        with torch.no_grad():
            for master, p in zip(masters, reference.parameters(), strict=True):
                p.copy_(master)
    assert same(bits(model), bits(reference))
    assert same(shadow.state_dict()["copies"], [m.detach() for m in masters])


@pytest.mark.parametrize("name", ["usam", "sam", "hessian", "adam"])
def test_every_optimizer_trains_with_it(model: nn.Module, name: str) -> None:
    shadow = optim.Shadow(model.named_parameters())
    optimizer: torch.optim.Optimizer = {
        "usam": lambda: optim.USAM(shadow.params, lr=0.1, rho=0.02, steps=2),
        "sam": lambda: optim.SAM(shadow.params, lr=0.1, rho=0.02),
        "hessian": lambda: optim.SharpnessAware(torch.optim.AdamW(shadow.params), rho=0.02),
        "adam": lambda: torch.optim.Adam(shadow.params, lr=0.01),
    }[name]()
    closure = closure_of(model)
    losses = [float(stepped(shadow, optimizer, closure)) for _ in range(15)]
    assert losses[-1] < losses[0] - 0.02
    rounded = [c.to(HALF) for c in shadow.state_dict()["copies"]]
    assert same(bits(model), rounded)


@pytest.mark.parametrize("fails_at", [1, 2, 3])
def test_weights_are_as_before_when_the_closure_raises(model: nn.Module, fails_at: int) -> None:
    shadow = optim.Shadow(model.parameters())
    optimizer = optim.USAM(shadow.params, lr=0.1, rho=0.3, steps=2, momentum=0.5)
    works = closure_of(model)
    shadow.step(optimizer, works)
    before, copies, calls = bits(model), shadow.state_dict()["copies"], 0

    def closure() -> Tensor:
        nonlocal calls
        calls += 1
        if calls == fails_at:
            raise KeyboardInterrupt
        return works()

    with pytest.raises(KeyboardInterrupt):
        shadow.step(optimizer, closure)
    assert same(bits(model), before)
    assert same(shadow.state_dict()["copies"], copies)


def test_a_resumed_run_is_the_same_bit_for_bit(model: nn.Module) -> None:
    def fresh(model: nn.Module) -> tuple[optim.Shadow, optim.SharpnessAware]:
        shadow = optim.Shadow(model.parameters())
        base = torch.optim.AdamW(shadow.params, lr=0.01)
        return shadow, optim.SharpnessAware(base, rho=0.05)

    shadow, optimizer = fresh(model)
    for _ in range(3):
        shadow.step(optimizer, closure_of(model))
    saved = copy.deepcopy((model.state_dict(), shadow.state_dict(), optimizer.state_dict()))
    for _ in range(3):
        shadow.step(optimizer, closure_of(model))

    other = copy.deepcopy(model)
    resumed, again = fresh(other)
    other.load_state_dict(saved[0])
    resumed.load_state_dict(saved[1])
    again.load_state_dict(saved[2])
    for _ in range(3):
        resumed.step(again, closure_of(other))
    assert same(bits(other), bits(model))
    assert same(resumed.state_dict()["copies"], shadow.state_dict()["copies"])


def test_weights_loaded_from_outside_are_taken_over(model: nn.Module) -> None:
    shadow = optim.Shadow(model.parameters())
    optimizer = torch.optim.SGD(shadow.params, lr=1e-30)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(1)
    before = bits(model)
    shadow.step(optimizer, closure_of(model))
    assert same(bits(model), before)


def test_groups_frozen_parameters_and_full_precision_are_kept_as_they_are() -> None:
    model = nn.Sequential(nn.Linear(6, 4).to(HALF), nn.Linear(4, 3))
    model[0].bias.requires_grad_(False)
    shadow = optim.Shadow(
        [{"params": model[0].parameters(), "rho": 0.0}, {"params": model[1].parameters()}]
    )
    optimizer = optim.USAM(shadow.params, lr=0.1, rho=0.1)
    x = torch.randn(5, 6, generator=torch.Generator().manual_seed(0)).to(HALF)
    before = bits(model)

    def closure() -> Tensor:
        loss = model[1](model[0](x).float()).square().mean()
        loss.backward()
        return loss

    first, second = (float(stepped(shadow, optimizer, closure)) for _ in range(2))
    assert second < first
    assert [group["rho"] for group in optimizer.param_groups] == [0.0, 0.1]
    moved = [not torch.equal(a, b) for a, b in zip(bits(model), before, strict=True)]
    assert moved == [True, False, True, True]


def test_nothing_to_shadow_and_the_wrong_checkpoint_are_refused(model: nn.Module) -> None:
    with pytest.raises(ValueError, match="float32 copies"):
        optim.Shadow(nn.Linear(2, 2).parameters())
    with pytest.raises(ValueError, match="same parameters"):
        optim.Shadow(model.parameters()).load_state_dict(
            optim.Shadow(nn.Linear(2, 2).to(HALF).parameters()).state_dict()
        )
