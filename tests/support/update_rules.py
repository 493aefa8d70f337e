"""Updates of every optimizer written line by line, beside the filter that claims to be theirs."""

from collections.abc import Callable
from typing import Any

from passband.filters import (
    ASAM,
    EF21,
    QHM,
    SGD,
    USAM,
    Adam,
    AdamW,
    Delayed,
    DerivativeAction,
    Extragradient,
    ExtrapolatedNesterov,
    Filter,
    FisherSAM,
    GradientPenalty,
    HeldAscent,
    HessianUSAM,
    LocalSGD,
    Lookahead,
    MixedMemory,
    NAdam,
    NestedUSAM,
    Optimistic,
    Parity,
    PeriodicAscent,
    Proximal,
    RMSprop,
    Schedule,
    ScheduleFree,
    Secant,
    UphillLoss,
    WeightAverage,
)

CURVATURES = [-30.0, -1.0, 0.0, 0.5, 7.0, 19.9, 60.0]


LR, MU, RHO, WD = 0.1, 0.8, 0.07, 0.3


Gradient = Callable[[float], float]


Update = Callable[..., Any]


def sgd(grad: Gradient, x: float, m: float, lr: float = LR, mu: float = MU) -> tuple[float, ...]:
    m = mu * m + grad(x)
    return x - lr * m, m


def sgd_decoupled(grad: Gradient, x: float, m: float) -> tuple[float, ...]:
    m = MU * m + grad(x)
    return (1 - LR * WD) * x - LR * m, m


def usam(grad: Gradient, x: float, m: float) -> tuple[float, ...]:
    m = MU * m + grad(x + RHO * grad(x))
    return x - LR * m, m


def usam_coupled(grad: Gradient, x: float, m: float) -> tuple[float, ...]:
    m = MU * m + grad(x + RHO * grad(x)) + WD * x
    return x - LR * m, m


def usam_loss(grad: Gradient, x: float, m: float) -> tuple[float, ...]:
    def decayed(at: float) -> float:
        return grad(at) + WD * at

    return usam(decayed, x, m)


def two_step(grad: Gradient, x: float, m: float) -> tuple[float, ...]:
    y = x + RHO * grad(x)
    m = MU * m + grad(y + RHO * grad(y))
    return x - LR * m, m


def usam_nesterov(grad: Gradient, x: float, m: float) -> tuple[float, ...]:
    q = grad(x + RHO * grad(x))
    m = MU * m + q
    return x - LR * (q + MU * m), m


def hessian(grad: Gradient, x: float, m: float) -> tuple[float, ...]:
    h = grad(1.0)  # on a quadratic: the Hessian times one
    m = MU * m + grad(x + RHO * h * grad(x))
    return x - LR * m, m


def nested(grad: Gradient, x: float) -> tuple[float, ...]:
    return (x - LR * grad(x + RHO * grad(x + RHO * grad(x))),)


def penalty(grad: Gradient, x: float) -> tuple[float, ...]:
    g = grad(x)
    return (x - LR * (g + RHO * grad(1.0) * g),)


def uphill_loss(grad: Gradient, x: float) -> tuple[float, ...]:
    return (x - LR * (1 + RHO * grad(1.0)) * grad(x + RHO * grad(x)),)


def asam(grad: Gradient, x: float) -> tuple[float, ...]:
    return (x - LR * grad(x + RHO * 2.0**2 * grad(x)),)


def fisher(grad: Gradient, x: float) -> tuple[float, ...]:
    h = grad(1.0) or 1.0  # at curvature zero the climb is multiplied by zero anyway
    return (x - LR * grad(x + RHO * grad(x) / h),)


def adam(grad: Gradient, x: float, m: float) -> tuple[float, ...]:
    m = MU * m + (1 - MU) * grad(x)
    return x - LR * m, m


def adamw(grad: Gradient, x: float, m: float) -> tuple[float, ...]:
    m = MU * m + (1 - MU) * grad(x)
    return x - LR * WD * x - LR * m, m


def nadam(grad: Gradient, x: float, m: float) -> tuple[float, ...]:
    m = MU * m + (1 - MU) * grad(x)
    return x - LR * (MU * m + (1 - MU) * grad(x)), m


def qhm(grad: Gradient, x: float, m: float) -> tuple[float, ...]:
    m = MU * m + (1 - MU) * grad(x)
    return x - LR * (0.7 * m + 0.3 * grad(x)), m


def derivative(grad: Gradient, p: float, m: float, g1: float) -> tuple[float, ...]:
    g = grad(p)
    m = MU * m + g
    return p - LR * m - 0.15 * (g - g1), m, g


def secant(grad: Gradient, p: float, m: float, g1: float, g2: float) -> tuple[float, ...]:
    g = grad(p)
    m = MU * m + g
    return p - LR * m - 0.15 / 2 * (g - 2 * g1 + g2), m, g, g1


def parity(grad: Gradient, p: float, m: float, g1: float, g2: float) -> tuple[float, ...]:
    x = p - 0.15 * g2  # the base point, which moves as under heavy ball
    g = grad(p)
    m = MU * m + g
    x = x - LR * m
    return x + 0.15 * g1, m, g, g1


def mixed(grad: Gradient, p: float, m: float, g1: float, g2: float) -> tuple[float, ...]:
    r = 0.15
    x = p - (-r / 4 * g1 + 3 * r / 4 * g2)
    g = grad(p)
    m = MU * m + g
    x = x - LR * m
    return x - r / 4 * g + 3 * r / 4 * g1, m, g, g1


def over_nesterov(grad: Gradient, p: float, m: float) -> tuple[float, ...]:
    c, g = 1.5, grad(p)
    p = p - LR * ((1 + c) * g + (MU * (1 + c) - c) * m)
    return p, MU * m + g


def extragradient(grad: Gradient, x: float) -> tuple[float, ...]:
    half = x - LR * grad(x)
    return (x - LR * grad(half),)


def optimistic(grad: Gradient, y: float, previous: float) -> tuple[float, ...]:
    g = grad(y)
    return y - (LR + 0.15) * g + 0.15 * previous, g


def proximal(grad: Gradient, x: float) -> tuple[float, ...]:
    return (x / (1 + LR * grad(1.0)),)  # solves x₊ = x − η λ x₊


def delayed(grad: Gradient, *history: float) -> tuple[float, ...]:
    return history[0] - LR * grad(history[-1]), *history[:-1]


def ef21(grad: Gradient, x: float, v: float) -> tuple[float, ...]:
    x = x - LR * v
    return x, v + 0.3 * (grad(x) - v)


def local(grad: Gradient, x: float, buffer: float) -> tuple[float, ...]:
    start = x
    for _ in range(4):
        x = x - LR * grad(x)
    progress = start - x
    buffer = 0.6 * buffer + progress
    return start - 1.3 * (progress + 0.6 * buffer), buffer


def lookahead(grad: Gradient, slow: float, m: float, *, reset: bool) -> tuple[float, ...]:
    fast = slow
    for _ in range(5):
        fast, m = sgd(grad, fast, m)
    return slow + 0.4 * (fast - slow), 0.0 if reset else m


def averaged(grad: Gradient, x: float, m: float, average: float) -> tuple[float, ...]:
    x, m = sgd(grad, x, m)
    return x, m, 0.9 * average + 0.1 * x


def schedule_free(grad: Gradient, z: float, x: float) -> tuple[float, ...]:
    y = (1 - MU) * z + MU * x
    z = z - LR * grad(y)
    return z, 0.95 * x + 0.05 * z


def turns(grad: Gradient, x: float, m: float) -> tuple[float, ...]:
    x, m = sgd(grad, x, m)
    x = x - 0.05 * grad(x + RHO * grad(x))  # without momentum the buffer is left alone
    return sgd(grad, x, m, lr=0.02, mu=0.5)


def periodic(grad: Gradient, x: float, m: float) -> tuple[float, ...]:
    x, m = usam(grad, x, m)
    x, m = sgd(grad, x, m)
    return sgd(grad, x, m)


def held(grad: Gradient, x: float, ascent: float, m: float) -> tuple[float, ...]:
    ascent = RHO * grad(x)
    for _ in range(3):
        m = MU * m + grad(x + ascent)
        x = x - LR * m
    return x, ascent, m


HB: dict[str, Any] = {"lr": LR, "momentum": MU}


UPDATES: list[tuple[Filter, Update]] = [
    (SGD(**HB), sgd),
    (SGD(**HB, weight_decay=WD, decay="decoupled"), sgd_decoupled),
    (USAM(**HB, rho=RHO), usam),
    (USAM(**HB, rho=RHO, weight_decay=WD), usam_coupled),
    (USAM(**HB, rho=RHO, weight_decay=WD, decay="loss"), usam_loss),
    (USAM(**HB, rho=RHO, steps=2), two_step),
    (USAM(**HB, rho=RHO, nesterov=True), usam_nesterov),
    (HessianUSAM(**HB, rho=RHO), hessian),
    (NestedUSAM(lr=LR, rho=RHO), nested),
    (GradientPenalty(lr=LR, rho=RHO), penalty),
    (UphillLoss(lr=LR, rho=RHO), uphill_loss),
    (ASAM(lr=LR, rho=RHO, scale=2.0), asam),
    (FisherSAM(lr=LR, rho=RHO), fisher),
    (RMSprop(**HB), sgd),
    (Adam(lr=LR, betas=(MU, 0.99)), adam),
    (Adam(lr=LR, betas=(MU, 0.99), weight_decay=WD), adam),
    (AdamW(lr=LR, betas=(MU, 0.99), weight_decay=WD), adamw),
    (NAdam(lr=LR, betas=(MU, 0.99)), nadam),
    (QHM(**HB, nu=0.7), qhm),
    (DerivativeAction(**HB, strength=0.15), derivative),
    (Secant(**HB, strength=0.15), secant),
    (Parity(**HB, strength=0.15), parity),
    (MixedMemory(**HB, strength=0.15), mixed),
    (ExtrapolatedNesterov(**HB, extrapolation=1.5), over_nesterov),
    (Extragradient(lr=LR), extragradient),
    (Optimistic(lr=LR, strength=0.15), optimistic),
    (Proximal(lr=LR), proximal),
    (Delayed(lr=LR, delay=0), delayed),
    (Delayed(lr=LR, delay=3), delayed),
    (EF21(lr=LR, compression=0.3), ef21),
    (LocalSGD(lr=LR, steps=4, outer_lr=1.3, outer_momentum=0.6), local),
    (Lookahead(SGD(**HB), k=5, alpha=0.4), lambda *a: lookahead(*a, reset=False)),
    (Lookahead(SGD(**HB), k=5, alpha=0.4, reset=True), lambda *a: lookahead(*a, reset=True)),
    (WeightAverage(SGD(**HB), decay=0.9), averaged),
    (ScheduleFree(**HB, averaging=0.05), schedule_free),
    (
        Schedule([SGD(**HB), USAM(lr=0.05, rho=RHO), SGD(lr=0.02, momentum=0.5)]),
        turns,
    ),
    (PeriodicAscent(**HB, rho=RHO, every=3), periodic),
    (HeldAscent(**HB, rho=RHO, every=3), held),
]
