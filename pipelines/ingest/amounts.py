"""Amounts as upstreams write them: ``2000+``, ``10,000+``, ``20K+``, ``1.5M``, ``209000000``."""

from __future__ import annotations

import math
import re

_SCALE = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9}
_AMOUNT = re.compile(r"([0-9][0-9.,\s]*)\s*([kmb]?)", re.IGNORECASE)
_GROUPED = re.compile(r"[0-9]{1,3}([.,\s][0-9]{3})+")
LARGEST = 1e15
"""More than this is a mistake, not an amount."""


def amount(value: object) -> float | None:
    """``value`` as a count, or None when it is not one: missing, negative, NaN, infinite, absurd, or a bool.

    Text may carry a ``+``, thousands separators and a K, M or B.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        # a 5,000-digit integer does not fit a float, so it is compared before it is converted
        return float(value) if 0 <= value <= LARGEST else None
    return _from_text(value) if isinstance(value, str) else None


def _from_text(text: str) -> float | None:
    found = _AMOUNT.fullmatch(text[:40].strip().rstrip("+").strip())
    if not found:
        return None
    digits = found[1].strip()
    plain = re.sub(r"[.,\s]", "", digits) if _GROUPED.fullmatch(digits) and not found[2] else digits.replace(",", ".")
    try:
        number = float(plain) * _SCALE[found[2].lower()]
    except ValueError:
        return None
    return number if math.isfinite(number) and number <= LARGEST else None
