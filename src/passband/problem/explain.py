"""What autograd's refusals mean, in the user's words."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from passband.errors import PassbandError

_REENTRANT = """\
reentrant checkpointing has no second derivative. Use
`torch.utils.checkpoint.checkpoint(..., use_reentrant=False)`."""

_MEANINGS = {
    "modified by an inplace operation": """\
a tensor that the derivative needs was overwritten: by an in-place operation of the model or loss
(`x += y`, `relu(inplace=True)`, `x[i] = y`), or because the data were changed since. Use the
out-of-place form.""",
    "once_differentiable": """\
an operation of the model has a first derivative only. Replace the custom function by one whose
backward can be differentiated.""",
    "scaled_dot_product": """\
this attention kernel has no second derivative. Call `scaled_dot_product_attention` without
forcing a kernel.""",
    "CuDNN RNN": """\
cuDNN's recurrent layers have no second derivative. Measure inside
`with torch.backends.cudnn.flags(enabled=False):`.""",
    "cudnn RNN": """\
cuDNN's recurrent layers need training mode. Measure inside
`with torch.backends.cudnn.flags(enabled=False):`.""",
    "double backward": """\
compiled code has no second derivative. Give the model as it was before `torch.compile`.""",
    "Checkpointing is not compatible": _REENTRANT,
    "checkpoint is incompatible with .grad()": _REENTRANT,  # the words of torch 2.13
    "is not implemented": """\
an operation of the model or loss has no second derivative. Replace the one named below.""",
}


@contextmanager
def explained(doing: str) -> Generator[None]:
    """Give autograd's refusals a meaning and a way out; everything else passes unchanged."""
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        for sign, meaning in _MEANINGS.items():
            if sign in text:
                raise PassbandError(f"{doing}: {' '.join(meaning.split())}\n{text}") from error
        raise


@contextmanager
def noted(doing: Callable[[Exception], str]) -> Generator[None]:
    """Add to an exception of the user's model or loss what was going on; it stays what it is."""
    try:
        yield
    except Exception as error:
        error.add_note(f"while computing {doing(error)}")
        raise


def described(thing: Any) -> str:
    """Return dtype, shape and device of a tensor, the type of anything else."""
    if not isinstance(thing, Tensor):
        return f"a {type(thing).__name__}"
    return f"{thing.dtype} of shape {tuple(thing.shape)} on {thing.device}"


def brief(value: Any) -> str:
    """Return what a value is, not what it holds: data sets are long."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    return f"a {type(value).__name__}"
