"""Memory that is used again while scoring: asking the system for new pages costs several times the arithmetic in them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Scratch:
    """Arrays of one thread, handed out and taken back in order, like a stack.

    Holds ``size`` numbers; what does not fit comes from the system. A ``size`` of 0 is ordinary memory.
    """

    def __init__(self, size: int) -> None:
        self._memory = np.empty(size)
        self.mark = 0

    def take(self, *shape: int) -> Floats:
        """An array of ``shape`` with anything in it, valid until :meth:`release` goes back before it."""
        stop = self.mark + math.prod(shape)
        if stop > len(self._memory):
            return np.empty(shape)
        array = self._memory[self.mark : stop].reshape(shape)
        self.mark = stop
        return array

    def release(self, mark: int) -> None:
        """Take back everything handed out since ``mark``."""
        self.mark = mark


ORDINARY = Scratch(0)
