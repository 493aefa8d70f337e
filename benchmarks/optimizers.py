"""What a step costs beyond its gradients.

Three numbers for every optimizer: the time of one step, over the time of the gradient evaluations
and the base step it is made of (what theory charges), and over a loop of the same evaluations
written by hand with ``torch.autograd.grad`` and ``torch.optim.SGD``'s arithmetic (what a user would
write instead, without checks and without bit-exact return). The SAM of ``pytorch-optimizer`` runs
beside ours if it is installed. Two networks on 784 inputs: W1 is 128-64-10-10 with 5,000 images a
gradient, W2 is 1024-1024-10 with two batches of 1,000; ``--batch 128`` is how one would train.
Medians of the ratios of interleaved rounds, in processor time on the CPU, so that a busy machine
disturbs all alike. Small batches are the hard case: what is charged shrinks with the batch, and
saving, moving and restoring the weights does not.
"""

import argparse
import importlib.util
import itertools
import math
import statistics
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from passband import optim

LR, MOMENTUM, RHO = 1e-3, 0.9, 1e-3


class Problem:
    """A perceptron on random data in some batches, with its ordinary closure."""

    def __init__(self, widths: tuple[int, ...], batches: list[int], device: str) -> None:
        torch.manual_seed(0)
        layers: list[nn.Module] = []
        for a, b in itertools.pairwise((784, *widths)):
            layers += [nn.Linear(a, b), nn.ReLU()]
        self.model = nn.Sequential(*layers[:-1]).to(device)
        self.images = sum(batches)
        x = torch.randn(self.images, 784, device=device).split(batches)
        y = torch.randint(0, 10, (self.images,), device=device).split(batches)
        self.batches = list(zip(x, y, strict=True))
        self.params = list(self.model.parameters())

    def losses(self) -> Iterator[Tensor]:
        for x, y in self.batches:
            share = len(x) / self.images
            yield nn.functional.cross_entropy(self.model(x), y) * share

    def closure(self) -> Tensor:
        self.model.zero_grad()
        total = torch.zeros((), device=self.params[0].device)
        for loss in self.losses():
            loss.backward()
            total += loss.detach()
        return total

    def gradients(self) -> tuple[Tensor, ...]:
        return summed(torch.autograd.grad(loss, self.params) for loss in self.losses())

    def two_gradients(self) -> tuple[Tensor, ...]:
        """Both ascents of Two-step USAM, as one displacement."""
        first = self.gradients()
        moved(self, first, RHO)
        second = self.gradients()
        moved(self, first, -RHO)
        return tuple(a + b for a, b in zip(first, second, strict=True))

    def product(self) -> tuple[Tensor, ...]:
        """The gradient and its Hessian product: what Hessian USAM's ascent is made of."""
        graphs = [
            torch.autograd.grad(loss, self.params, create_graph=True) for loss in self.losses()
        ]
        way = summed(tuple(g.detach().clone() for g in graph) for graph in graphs)
        return summed(torch.autograd.grad(graph, self.params, way) for graph in graphs)


def summed(parts: Iterator[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    total = list(next(parts))
    for part in parts:
        for t, p in zip(total, part, strict=True):
            t.add_(p)
    return tuple(total)


@torch.no_grad()
def moved(problem: Problem, way: tuple[Tensor, ...], alpha: float) -> None:
    for p, d in zip(problem.params, way, strict=True):
        p.add_(d, alpha=alpha)


def by_hand(
    problem: Problem, ascent: Callable[[], tuple[Tensor, ...]] | None
) -> Callable[[], None]:
    """Heavy ball with the gradient uphill, as short as it can be written."""
    buffers = [torch.zeros_like(p) for p in problem.params]

    def step() -> None:
        way = ascent() if ascent else None
        if way:
            moved(problem, way, RHO)
        grads = problem.gradients()
        if way:
            moved(problem, way, -RHO)
        with torch.no_grad():
            for p, buffer, g in zip(problem.params, buffers, grads, strict=True):
                buffer.mul_(MOMENTUM).add_(g)
                p.add_(buffer, alpha=-LR)

    return step


def cases(
    problem: Problem,
) -> Iterator[tuple[str, Callable[[], object], list[Callable[[], object]], Callable[[], object]]]:
    """Name, step, the evaluations it is made of, and the loop by hand."""
    gradient, product, params = problem.closure, problem.product, problem.params
    one, two = by_hand(problem, None), by_hand(problem, problem.gradients)
    hessian = by_hand(problem, product)

    def stepped(optimizer: torch.optim.Optimizer) -> Callable[[], object]:
        return lambda: optimizer.step(problem.closure)  # pyright: ignore[reportCallIssue, reportArgumentType]

    sgd = torch.optim.SGD(params, LR, MOMENTUM)
    yield "torch SGD", stepped(sgd), [gradient], one
    yield "USAM", stepped(optim.USAM(params, LR, RHO, momentum=MOMENTUM)), [gradient] * 2, two
    yield "SAM", stepped(optim.SAM(params, LR, RHO, momentum=MOMENTUM)), [gradient] * 2, two
    aware = optim.SharpnessAware(torch.optim.SGD(params, LR, MOMENTUM), rho=RHO)
    yield "SharpnessAware(SGD)", stepped(aware), [gradient] * 2, two
    far = optim.USAM(params, LR, RHO, steps=2, momentum=MOMENTUM)
    climb = by_hand(problem, problem.two_gradients)
    yield "Two-step USAM", stepped(far), [gradient] * 3, climb
    if theirs := peer(problem):
        yield "pytorch-optimizer SAM", theirs, [gradient] * 2, two
    exact = optim.HessianUSAM(params, LR, RHO, momentum=MOMENTUM)
    yield "HessianUSAM", stepped(exact), [gradient, product], hessian
    slow = optim.DerivativeSGD(params, LR, LR, momentum=MOMENTUM)
    yield "DerivativeSGD", stepped(slow), [gradient], one
    ahead = optim.ExtrapolatedSGD(params, LR, MOMENTUM, 1.5)
    yield "ExtrapolatedSGD", stepped(ahead), [gradient], one
    bent = optim.SecantSGD(params, LR, LR, momentum=MOMENTUM)
    yield "SecantSGD", stepped(bent), [gradient], one


def peer(problem: Problem) -> Callable[[], object] | None:
    """A step of pytorch-optimizer's SAM, if it is installed."""
    if importlib.util.find_spec("pytorch_optimizer") is None:
        return None
    from pytorch_optimizer import SAM

    theirs: Any = SAM(problem.params, torch.optim.SGD, rho=RHO, lr=LR, momentum=MOMENTUM)

    def step() -> None:  # the first gradient is left to the user
        problem.closure()
        theirs.step(problem.closure)

    return step


def in_turn(*runs: Callable[[], object]) -> Callable[[], None]:
    def all_of_them() -> None:
        for run in runs:
            run()

    return all_of_them


def seconds(run: Callable[[], object], repeats: int, device: str) -> float:
    clock = time.process_time if device == "cpu" else time.perf_counter  # not other programs
    start = clock()
    for _ in range(repeats):
        run()
    if device == "cuda":
        torch.cuda.synchronize()
    return (clock() - start) / repeats


@contextmanager
def one_thread() -> Generator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, help="images a gradient, in place of the workload's")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--pairs", type=int, default=27, help="steps beside the peer's SAM")
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()

    for workload, widths, own in (
        ("W1", (128, 64, 10, 10), [5000]),
        ("W2", (1024, 1024, 10), [1000, 1000]),
    ):
        batches = [given.batch] if given.batch else own
        compare(workload, Problem(widths, batches, given.device), given)


def compare(workload: str, problem: Problem, given: argparse.Namespace) -> None:
    size, images = sum(p.numel() for p in problem.params), problem.images
    repeats = math.ceil(3e9 / (6 * size * images))
    print(f"{workload}: {size} parameters, {images} images, {given.device}, one thread")
    print(f"{'':22}{'step ms':>9}{'/ charged':>13}{'/ by hand':>11}")
    with one_thread():
        base = torch.optim.SGD(problem.params, LR, MOMENTUM).step
        for name, step, evaluations, hand in cases(problem):
            rounds: list[tuple[float, float, float]] = []
            for i in range(given.rounds + 2):
                made_of = in_turn(*evaluations, base)
                mine, charged, loop = (
                    seconds(run, repeats, given.device) for run in (step, made_of, hand)
                )
                if i >= 2:  # the first rounds warm up
                    rounds.append((mine, mine / charged, mine / loop))
            mine, charged, loop = (
                statistics.median(column) for column in zip(*rounds, strict=True)
            )
            print(f"{name:22}{mine * 1e3:9.2f}{charged:13.3f}{loop:11.3f}")
        face_to_face(problem, repeats, given)


def face_to_face(problem: Problem, repeats: int, given: argparse.Namespace) -> None:
    """Print the time of our SAM over that of the peer's, step by step in turn."""
    theirs = peer(problem)
    if theirs is None:
        return
    optimizer = optim.SAM(problem.params, LR, RHO, momentum=MOMENTUM)
    ratios: list[float] = []
    for i in range(given.pairs + 2):
        mine, other = lambda: optimizer.step(problem.closure), theirs
        pair = [seconds(run, repeats, given.device) for run in (mine, other)[:: 1 - 2 * (i % 2)]]
        if i >= 2:
            ratios.append((pair[0] / pair[1]) ** (1 - 2 * (i % 2)))
    ratios.sort()
    reach = math.ceil(0.98 * math.sqrt(len(ratios)))  # of the binomial: 95 % for the median
    low, high = (
        ratios[max(len(ratios) // 2 - reach, 0)],
        ratios[-max(len(ratios) // 2 - reach, 1)],
    )
    print(
        f"SAM over pytorch-optimizer's: {statistics.median(ratios):.4f}, the median of "
        f"{len(ratios)} pairs, with 95 % in {low:.4f} to {high:.4f}"
    )


if __name__ == "__main__":
    main()
