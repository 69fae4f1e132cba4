"""The precision that an engine multiplies in: float32, or bfloat16 where somebody asks for it. No TensorFlow.

bfloat16 keeps 8 bits of a number where float32 keeps 24, so that factors are rounded by up to 0.4 %; a CPU with
instructions for it multiplies twice as fast. What that does to maps is to be said with them, see
`harness/quality/precision_error.py`.
"""

from __future__ import annotations

from harness.cpus import BFLOAT16 as INSTRUCTIONS
from harness.cpus import multiplies_bfloat16
from harness.errors import ConfigError, nearest, shown

FLOAT32, BFLOAT16 = "float32", "bfloat16"
PRECISIONS = (FLOAT32, BFLOAT16)
BINARIZED = "it is binarized, and rounding a sum may flip its sign"


def check_precision(precision: str, *, where: str = "precision") -> None:
    """Raises ConfigError for what is no precision, and for one that this CPU would only be slower in."""
    if precision not in PRECISIONS:
        hint = nearest(precision, PRECISIONS) if isinstance(precision, str) else ""
        raise ConfigError(f"{where}: expected one of {', '.join(PRECISIONS)}, got {shown(precision)}", hint=hint)
    if precision == BFLOAT16 and not multiplies_bfloat16():
        wanted = " nor ".join(sorted(INSTRUCTIONS, reverse=True))
        raise ConfigError(
            f'{where}: "{BFLOAT16}" needs a CPU with instructions for it, and this one has neither {wanted}',
            hint=float32_hint(where),
        )


def refused_for(model: str, why: str, *, where: str = "precision") -> ConfigError:
    """What to raise where the second precision would only do harm to a model, or nothing."""
    return ConfigError(f'{where}: "{BFLOAT16}" is not for model "{model}": {why}', hint=float32_hint(where))


def float32_hint(where: str) -> str:
    """The way out, wherever bfloat16 is refused: as an option, or as a key."""
    return f"{where} {FLOAT32}" if where.startswith("--") else f'precision = "{FLOAT32}"'
