"""Array shapes in signatures: jaxtyping where it is installed (tests), plain types elsewhere.

The tests check shapes at run time, but for those of inner loops (`tests/support/typechecks.py`).
Users pay nothing, not even a dependency.
"""

from typing import Any

try:
    from jaxtyping import Bool, Complex, Float, Int, Num
except ModuleNotFoundError:  # pragma: no cover - the tests have it

    class _Unchecked:
        """``Float[Tensor, "n"]`` is ``Tensor``."""

        def __class_getitem__(cls, item: tuple[Any, str]) -> Any:
            return item[0]

    Bool = Complex = Float = Int = Num = _Unchecked

__all__ = ["Bool", "Complex", "Float", "Int", "Num"]
