"""Every error and warning of the package, drawn as one tree.

::

    PassbandError
    ├── NonFiniteError         a loss, gradient or product is not finite
    ├── ConvergenceError       an iteration ended early; `best` carries what was found
    ├── NotDeterministicError  the same question got two answers
    ├── NotAFilterError        the optimizer has no linear filter near a minimum, and why
    └── MissingExtraError      an optional dependency is not installed

    PassbandWarning
    ├── UnconvergedWarning       a result is usable, but less certain than was asked
    ├── SkippedStepWarning       an optimizer step was skipped, the weights are as before
    ├── MonitorWarning           something that the monitor saw in training
    ├── LostPerturbationWarning  an ascent is so small that rounding takes most of it away
    └── FilterWarning            a filter lets something through that it probably should not

Wrong arguments raise the built-in `ValueError` and `TypeError`.
"""

from typing import Any


class PassbandError(Exception):
    """What the package itself cannot do."""


class NonFiniteError(PassbandError, ArithmeticError):
    """A loss, gradient or product is not finite."""


class ConvergenceError(PassbandError):
    """An iteration ended before it reached the accuracy that was asked.

    Attributes:
        best: The best result so far.
    """

    def __init__(self, message: str, *, best: Any) -> None:
        super().__init__(message)
        self.best = best


class NotDeterministicError(PassbandError):
    """The same question got two answers: dropout, augmentation, or a reshuffling loader."""


class NotAFilterError(PassbandError, ValueError):
    """The optimizer has no linear filter ``M(λ)`` near a minimum; the message says why."""


class MissingExtraError(PassbandError, ImportError):
    """An optional dependency is not installed; the message is the command that installs it."""


class PassbandWarning(UserWarning):
    """What the package wants its user to know."""


class UnconvergedWarning(PassbandWarning):
    """A result is usable, but less certain than was asked."""


class SkippedStepWarning(PassbandWarning):
    """An optimizer step was skipped; the weights are as before."""


class MonitorWarning(PassbandWarning):
    """Something that the monitor saw in training."""


class LostPerturbationWarning(PassbandWarning):
    """An ascent is so small that rounding takes most of it away."""


class FilterWarning(PassbandWarning):
    """A filter lets something through that it probably should not."""


def first_line(error: BaseException) -> str:
    r"""Return the first line of what an error says; nothing where it says nothing.

    Example:
        >>> first_line(ValueError("what must hold.\nWhat came.")), first_line(MemoryError())
        ('what must hold.', '')
    """
    return next(iter(str(error).strip().splitlines()), "")


def require(module: str, *, extra: str) -> None:
    """Raise `MissingExtraError` with a one-line hint unless ``module`` can be imported."""
    import importlib.util

    if importlib.util.find_spec(module) is None:
        raise MissingExtraError(
            f"this needs `{module}`, which is not installed: pip install 'passband[{extra}]', in a "
            f"checkout pip install '.[{extra}]'."
        )
