"""How much a step holds at most, counted in every tensor that is made while it runs."""

import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from typing_extensions import override

from passband.optim import SAM, USAM, HessianUSAM, SharpnessAware


class Memory(TorchDispatchMode):
    """Counts the bytes of all storages that live at once, of those made inside the block."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: set[int] = set()

    @override
    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = set(map(_identity, tensors(args)))
        result = func(*args, **(kwargs or {}))
        for t in tensors(result):
            if _identity(t) not in given | self._known:  # no view
                self._hold(t)
        return result

    def _hold(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = _identity(tensor), storage.nbytes()
        self._known.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._free, key, size)

    def _free(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


def tensors(tree: Any) -> list[Tensor]:
    return [t for t in tree_leaves(tree) if isinstance(t, Tensor)]


def _identity(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


class Problem:
    """Two layers, most of whose memory is their weights."""

    def __init__(self) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.model = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 64))
            self.x = torch.randn(2, 64)
        self.params = list(self.model.parameters())

    def loss(self) -> Tensor:
        return self.model(self.x).square().mean()

    def closure(self) -> Tensor:
        loss = self.loss()
        loss.backward()
        return loss

    def product(self) -> None:
        gradient = torch.autograd.grad(self.loss(), self.params, create_graph=True)
        torch.autograd.grad(gradient, self.params, [g.detach() for g in gradient])

    def copies(self, run: Callable[[], object]) -> float:
        """Return the most that ``run`` holds at once, in sizes of the parameters."""
        run()  # states, once and for all
        for p in self.params:
            p.grad = None
        with Memory() as memory:
            run()
        return memory.peak / sum(p.nbytes for p in self.params)


MAKES: dict[str, Callable[[list[nn.Parameter]], Any]] = {
    "usam": lambda params: USAM(params, 1e-3, 1e-3, momentum=0.9),
    "two-step": lambda params: USAM(params, 1e-3, 1e-3, steps=2, nesterov=True, momentum=0.9),
    "sam": lambda params: SAM(params, 1e-3, 1e-3, momentum=0.9),
    "sam, tensor by tensor": lambda params: SAM(params, 1e-3, 1e-3, momentum=0.9, foreach=False),
    "around sgd": lambda params: SharpnessAware(
        torch.optim.SGD(params, 1e-3, 0.9), rho=1e-3, normalize=True
    ),
}
A_LITTLE = 0.03  # copies: activations, losses, norms


@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
@pytest.mark.parametrize("scaled", [False, True])
def test_a_step_holds_one_copy_beside_its_gradient(
    make: Callable[[list[nn.Parameter]], Any], scaled: bool
) -> None:
    problem, scaler = Problem(), GradScaler("cpu", enabled=scaled, init_scale=3.0)
    optimizer = make(problem.params)

    def closure() -> Tensor:
        loss = problem.loss()
        scaler.scale(loss).backward()
        return loss

    def step() -> None:
        optimizer.step(closure, scaler=scaler)
        scaler.update()

    assert problem.copies(step) <= problem.copies(problem.closure) + 1 + A_LITTLE


def test_a_hessian_product_is_taken_without_a_second_copy_of_the_gradient() -> None:
    problem = Problem()
    optimizer = HessianUSAM(problem.params, 1e-3, 1e-3, momentum=0.9)
    held = problem.copies(lambda: optimizer.step(problem.closure))
    assert held <= problem.copies(problem.product) + 1 + A_LITTLE


def test_an_ascent_in_units_of_each_weight_holds_two() -> None:
    problem = Problem()
    optimizer = SAM(problem.params, 1e-3, 1e-3, adaptive=True)
    held = problem.copies(lambda: optimizer.step(problem.closure))
    assert held <= problem.copies(problem.closure) + 2 + A_LITTLE


def test_what_is_counted_is_what_lives() -> None:
    kept: list[Tensor] = []
    with Memory() as memory:
        kept.append(torch.zeros(100))
        torch.ones(50).add_(1)  # gone at once
        kept.append(kept[0].view(10, 10))  # the same storage
        torch.ones(30)
    assert (memory.now, memory.peak) == (400, 600)
