"""What the monitor makes of its probes: events, advice, faults that do not end training."""

import inspect
import math
import re
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from typing_extensions import override
from watched import MSE, X, Y, network, quiet

import passband as pb
from passband.errors import MonitorWarning
from passband.monitor import (
    Event,
    Monitor,
    Numbers,
    Probe,
    Several,
)
from passband.monitor.events import Watch


def probe_at(step: int, ratio: float, **options: Any) -> Probe:
    return Probe(step=step, sharpness=20 * ratio, edge=20.0, ratio=ratio, lr=0.1, **options)


def test_events_begin_once_and_end_with_hysteresis() -> None:
    watch, filter = Watch(), pb.filters.SGD(lr=0.1)
    ratios = [0.5, 0.98, 0.95, 1.02, 0.91, 0.98, 0.89, 0.97, 1.2, 1.05, 1.3, 0.99, 1.15]

    said = [
        (e.step, e.kind) for i, r in enumerate(ratios) for e in watch.events(probe_at(i, r), filter)
    ]

    assert said == [(1, "edge"), (7, "edge"), (8, "past"), (12, "past")]


def test_an_event_names_the_rate_that_would_hold() -> None:
    (_, past) = Watch().events(probe_at(0, 2.0, above=1), pb.filters.SGD(lr=0.1))

    assert "lr ≤ 0.05 would hold it" in past.message
    assert "40 against 20" in past.message


def test_a_wide_error_bar_is_named_where_no_mode_is_past_the_edge_for_sure() -> None:
    (_, sure) = Watch().events(probe_at(0, 2.0, above=3), None)
    (_, wide) = Watch().events(probe_at(0, 2.0, above=0, error=30.0), None)

    assert "past the edge in 3 of the measured modes, sharpness 40" in sure.message
    assert "past the edge (its error bar reaches below the edge), sharpness 40" in wide.message


def test_saddle_leaks_rounding_and_forbidden_rest_are_told() -> None:
    leaky = pb.filters.USAM(lr=0.1, rho=0.1)  # admits [-20, -10] too
    rest = probe_at(0, 0.5, smallest=-12.0, moved_share=0.2)
    stuck = probe_at(1, 1.05, distance=1e-9)

    first = [event.kind for event in Watch().events(rest, leaky)]
    second = [event.kind for event in Watch().events(stuck, leaky)]

    assert first == ["leak", "rounding"]
    assert second == ["edge", "outside"]


@pytest.mark.parametrize("on_event", ["warn", "stop", "silent", "call"])
def test_events_warn_stop_or_call(on_event: str) -> None:
    model, seen = network(), list[Event]()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e3)
    options: Any = {"on_event": seen.append if on_event == "call" else on_event}

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MonitorWarning)
        with Monitor(model, MSE, (X, Y), optimizer, every=5, log=None, **options) as monitor:
            pass

    assert {event.kind for event in monitor.events} == {"edge", "past"}
    assert monitor.should_stop is (on_event == "stop")
    assert len(caught) == (2 if on_event == "warn" else 0)
    assert seen == (monitor.events if on_event == "call" else [])


def test_a_probe_that_fails_does_not_end_training() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    monitor = quiet(model, MSE, (X, Y), optimizer, every=1)
    with torch.no_grad():
        next(model.parameters()).fill_(math.nan)

    found = [monitor.step() for _ in range(5)]

    assert found == [None] * 5
    assert [event.kind for event in monitor.events] == ["failed"] * 2
    assert "No more probes" in monitor.events[-1].message
    assert "is nan" in monitor.events[0].message


class Greedy:
    """A loss that has no room for more than six samples, once it is armed."""

    armed = False

    def __call__(self, out: Tensor, y: Tensor) -> Tensor:
        if len(out) > 6 and self.armed:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return MSE(out, y)


def test_out_of_memory_falls_back_to_smaller_batches() -> None:
    greedy = Greedy()
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    monitor = quiet(model, greedy, (X, Y), optimizer, every=1)
    greedy.armed = True

    probe = monitor.step()

    assert probe is not None
    assert {event.kind for event in monitor.events} == {"shrunk"}
    assert [event.message for event in monitor.events] == [
        "out of memory; now in batches of 10.",
        "out of memory; now in batches of 5.",
    ]
    assert probe.loss == pytest.approx(float(MSE(model(X), Y).detach()))


def test_a_budget_whose_first_gradient_fails_does_not_end_training() -> None:
    model, x = network(), X.clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x[15] = math.nan  # the first batch, which is looked at beforehand, has none

    with quiet(model, MSE, [(x[:10], Y[:10]), (x[10:], Y[10:])], optimizer) as monitor:
        monitor.step()

    assert [event.kind for event in monitor.events] == ["failed"]
    assert "NonFiniteError" in monitor.events[0].message
    assert monitor.schedule.expected == 0


def test_a_budget_whose_first_gradient_needs_too_much_memory_takes_smaller_batches() -> None:
    greedy = Greedy()
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    monitor = quiet(model, greedy, (X, Y), optimizer, budget=1e-6)
    greedy.armed = True

    with monitor:
        pass

    assert [event.message for event in monitor.events] == [
        "out of memory; now in batches of 10.",
        "out of memory; now in batches of 5.",
    ]
    assert monitor.schedule.expected > 0
    assert monitor.probes == []


def test_trackers_get_numbers_that_exist() -> None:
    seen: list[tuple[int, dict[str, float]]] = []
    said: list[tuple[str, int]] = []
    numbers = Numbers(
        lambda n, step: seen.append((step, dict(n))), lambda text, step: said.append((text, step))
    )

    log = Several(numbers, numbers)
    log.write(Probe(step=7, sharpness=2.0, edge=4.0, ratio=0.5))
    log.write(Event(7, "edge", "there"))
    log.close()

    assert [step for step, _ in seen] == [7, 7]
    assert seen[0][1]["passband/ratio"] == 0.5
    assert "passband/smallest" not in seen[0][1]
    assert said == [("edge: there", 7)] * 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "`every`"),
        ({"seconds": 0.0}, "`seconds`"),
        ({"budget": 2.0}, "`budget`"),
        ({"k": 0}, "`k`"),
        ({"k": 9, "max_matvecs": 10}, "at least 11 for k=9"),
        ({"samples": 0}, "`samples`"),
    ],
)
def test_bad_options_are_refused_before_training(options: Any, message: str) -> None:
    model = network()
    with pytest.raises(ValueError, match=message):
        Monitor(model, MSE, (X, Y), torch.optim.SGD(model.parameters(), lr=0.1), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": "10"}, "`every` must be a number; got '10'"),
        ({"seconds": True}, "`seconds` must be a number; got True"),
        ({"on_event": "Warn"}, "`on_event` must be 'warn', 'stop', 'silent' or a function"),
        ({"k": 1.5}, "`k` must be a whole number, 1 or more; got 1.5"),
    ],
)
def test_a_wrong_option_is_named_before_training(options: dict[str, Any], message: str) -> None:
    model = nn.Linear(2, 1)
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    make = inspect.unwrap(Monitor.__init__)  # without the types that tests check at run time
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        make(object.__new__(Monitor), model, MSE, (torch.eye(2), torch.zeros(2, 1)), sgd, **options)


class Planted(nn.Module):
    """A loss whose Hessian is the diagonal of our choice."""

    def __init__(self, diagonal: Tensor) -> None:
        super().__init__()
        self.diagonal = diagonal
        self.weights = nn.Parameter(torch.ones(len(diagonal)))

    @override
    def forward(self, x: Tensor) -> Tensor:
        return (self.diagonal * self.weights.square()).sum() / 2 + 0 * x.sum()


@pytest.mark.parametrize("k", [1, 2, 3, 60])
def test_the_smallest_is_the_smallest_however_many_are_asked_for(k: int) -> None:
    model = Planted(torch.cat([torch.linspace(0, 20, 114), -torch.tensor([9.0, 5, 4, 3, 2, 1])]))
    optimizer = pb.optim.USAM(model.parameters(), lr=0.05, rho=0.2)  # leaks from -5 downwards

    def loss(model: nn.Module, batch: Tensor) -> Tensor:
        return model(batch)

    monitor = quiet(model, loss, [torch.ones(1, 1)], optimizer, every=1, k=k, smallest=True)
    probe = monitor.step()

    assert probe is not None
    assert abs(probe.smallest + 9) <= probe.smallest_error + 1e-5
    assert "leak" in {event.kind for event in monitor.events}


def test_a_leak_is_left_where_its_bar_is_out_of_it() -> None:
    leaky, watch = pb.filters.USAM(lr=0.1, rho=0.1), Watch()  # admits [-20, -10] too
    places = [(-12.0, 1.0), (-9.5, 1.0), (-12.0, 1.0), (-8.0, 1.0), (-12.0, 1.0)]

    told = [
        [event.message for event in watch.events(probe, leaky)]
        for probe in (
            probe_at(i, 0.5, smallest=x, smallest_error=e) for i, (x, e) in enumerate(places)
        )
    ]

    assert [len(messages) for messages in told] == [1, 0, 0, 0, 1]
    assert "-12 ± 1 lies where saddles attract" in told[0][0]
