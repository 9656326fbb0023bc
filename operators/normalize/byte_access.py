"""Reading bytes by their address in compiled code.

An array that is passed on from function to function is counted at each call, which costs more than reading a field; an
address is a number. Whoever calls these keeps the array alive and the addresses inside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

_BYTE, _WORD = ir.IntType(8), ir.IntType(64)
_LITTLE_ENDIAN = np.dtype("<i8").isnative


def _address_of(typing: Any, array: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        made = context.make_array(signature.args[0])(context, builder, args[0])
        return builder.ptrtoint(made.data, _WORD)

    return types.int64(array), generate


def _byte_at(typing: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.zext(builder.load(builder.inttoptr(args[0], _BYTE.as_pointer())), _WORD)

    return types.int64(types.int64), generate


def _word_at(typing: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        loaded = builder.load(builder.inttoptr(args[0], _WORD.as_pointer()), align=1)
        return loaded if _LITTLE_ENDIAN else builder.bswap(loaded)

    return types.int64(types.int64), generate


def _lowest_byte(typing: Any, marks: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.lshr(builder.cttz(args[0], ir.Constant(ir.IntType(1), 1)), ir.Constant(_WORD, 3))

    return types.int64(types.int64), generate


#: The address of an array's first element.
address_of = cast(Callable[[NDArray[Any]], int], intrinsic(_address_of))
#: The byte at an address.
byte_at = cast(Callable[[int], int], intrinsic(_byte_at))
#: The eight bytes from an address on as an int64, the first one lowest. The address need not be aligned.
word_at = cast(Callable[[int], int], intrinsic(_word_at))
#: Which byte of a word that is not 0 holds its lowest bit that is set: 0 for the first.
lowest_byte = cast(Callable[[int], int], intrinsic(_lowest_byte))
