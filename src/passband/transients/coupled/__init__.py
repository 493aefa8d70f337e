"""Coupled training systems as their users write them, and what helps against their transients."""

from passband.transients.coupled.averages import averaged, follower
from passband.transients.coupled.bilevel import bilevel
from passband.transients.coupled.compare import Comparisons, Row, compare
from passband.transients.coupled.implicit import competitive, proximal
from passband.transients.coupled.players import Player, placed, with_ratio
from passband.transients.coupled.ratio import Recommendation, recommend_ratio
from passband.transients.coupled.update import Update, lookahead
from passband.transients.coupled.updates import (
    alternating,
    consensus,
    extragradient,
    optimistic,
    simultaneous,
    symplectic,
)

__all__ = [
    "Comparisons",
    "Player",
    "Recommendation",
    "Row",
    "Update",
    "alternating",
    "averaged",
    "bilevel",
    "compare",
    "competitive",
    "consensus",
    "extragradient",
    "follower",
    "lookahead",
    "optimistic",
    "placed",
    "proximal",
    "recommend_ratio",
    "simultaneous",
    "symplectic",
    "with_ratio",
]
