"""The peers' board: 20 names by 24 hours that change with every step, and a name's receipts. Standard library only."""

from __future__ import annotations

import math
import random
import threading
import time

ROWS, COLUMNS, RECEIPTS = 20, 24, 34
MADE = 100
NAMES = [f"Invented name {number}" for number in range(1, ROWS + 1)]
HOURS = [f"{hour:02d}:00" for hour in range(COLUMNS)]


class Board:
    """The newest board; :meth:`publish_every` moves it and tells when, on stdout."""

    def __init__(self) -> None:
        self.step = 0
        self._made = [self._cells(step) for step in range(MADE)]  # no side makes its boards while it is measured
        self.z = self._made[0]

    @staticmethod
    def _cells(step: int) -> list[list[float]]:
        noise = random.Random(step)
        return [
            [
                round(max(0.0, 1.2 + math.sin(row * 1.7 + step * 0.9 + column / 4) + noise.uniform(-0.2, 0.2)), 3)
                for column in range(COLUMNS)
            ]
            for row in range(ROWS)
        ]

    def publish_every(self, seconds: float) -> None:
        """Move the board each ``seconds`` from a thread of its own."""

        def move() -> None:
            while True:
                time.sleep(seconds)
                z = self._made[(self.step + 1) % MADE]
                at = time.time()
                self.z, self.step = z, self.step + 1
                print(f"published {self.step} {at:.6f}", flush=True)

        threading.Thread(target=move, daemon=True).start()


def receipts(name: str) -> list[dict[str, str]]:
    """What a name's row opens to."""
    return [
        {"time": f"{place * 37 // 60:02d}:{place * 37 % 60:02d}", "text": f"{name}, receipt {place}"}
        for place in range(RECEIPTS)
    ]
