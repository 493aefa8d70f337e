"""What is trained: the loss of a model on its data, as a function of one flat vector."""

from passband.problem.batch_loss import BatchLoss
from passband.problem.objective import Objective
from passband.problem.randomness import fixed_randomness
from passband.problem.snapshot import Snapshot

__all__ = ["BatchLoss", "Objective", "Snapshot", "fixed_randomness"]
