"""Reading bytes by their address in compiled code.

An array that is passed on from function to function is counted at each call, which costs more than reading a field; an
address is a number. Whoever calls these keeps the array alive and the addresses inside it.
"""

from __future__ import annotations

import sys
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_BYTE, _WORD = ir.IntType(8), ir.IntType(64)


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def byte_at(typing: Any, at: Any) -> Any:
    """The byte at an address as an int64."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.zext(builder.load(builder.inttoptr(args[0], _BYTE.as_pointer())), _WORD)

    return types.int64(types.int64), generate


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def word_at(typing: Any, at: Any) -> Any:
    """The eight bytes from an address on as an int64, the first one lowest."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        loaded = builder.load(builder.inttoptr(args[0], _WORD.as_pointer()), align=1)
        return loaded if sys.byteorder == "little" else builder.bswap(loaded)

    return types.int64(types.int64), generate


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def lowest_byte(typing: Any, marks: Any) -> Any:
    """Which byte of a word that is not 0 holds its lowest bit that is set: 0 for the first."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.lshr(builder.cttz(args[0], ir.Constant(ir.IntType(1), 1)), ir.Constant(_WORD, 3))

    return types.int64(types.int64), generate
