"""Random numbers by counter: the Threefry generator in lanes.

A random number is a function of a key, which a sweep point has for good, and of a counter, the time and the number of
the draw. Nothing is kept between draws, so that a run goes on anywhere with the same numbers, whatever else is computed
beside it. Threefry-2x64 with 20 rounds adds, rotates and exclusive-ors, which every vector unit does.

Source: Salmon, Moraes, Dror & Shaw, Parallel random numbers: as easy as 1, 2, 3, SC'11 (2011),
doi 10.1145/2063384.2063405.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from dmfx.kernels.lanes import _FLOATS, _INTEGERS, _LANES, WIDTH, _constant, _integers

__all__ = ["uniforms"]

_ROUNDS = 20
_ROTATIONS = (16, 42, 12, 31, 16, 32, 24, 21)
_PARITY = 0x1BD11BDAA9FC1A22


def _rotate(builder, x, bits):
    high = builder.shl(x, _integers(bits))
    return builder.or_(high, builder.lshr(x, _integers(64 - bits)))


def _threefry(builder, counter, key):
    """Encrypt the two words of the counter under the two words of the key."""
    keys = (*key, builder.xor(_integers(_PARITY), builder.xor(*key)))
    x, y = builder.add(counter[0], keys[0]), builder.add(counter[1], keys[1])
    for done in range(1, _ROUNDS + 1):
        x = builder.add(x, y)
        y = builder.xor(_rotate(builder, y, _ROTATIONS[(done - 1) % 8]), x)
        if done % 4 == 0:
            turn = done // 4
            x = builder.add(x, keys[turn % 3])
            y = builder.add(builder.add(y, keys[(turn + 1) % 3]), _integers(turn))
    return x, y


def _unit(builder, bits):
    """(k + 1/2) 2^-52 for the upper 52 bits k: above 0, below 1, and with 1 - u as exact as u."""
    exponent = _integers(0x3FF0000000000000)
    above_one = builder.bitcast(builder.or_(builder.lshr(bits, _integers(12)), exponent), _FLOATS)
    return builder.fadd(builder.fsub(above_one, _constant(1.0)), _constant(2.0**-53))


def _splat_integer(builder, number):
    undefined = ir.Constant(_INTEGERS, ir.Undefined)
    first = builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
    return builder.shuffle_vector(first, undefined, zeros)


@intrinsic
def uniforms(typing_context, first_key, second_key, clock, time, draw):
    """Two numbers uniform in (0, 1) in each lane, functions of the key and of the counter (clock + time, draw).

    The keys and the clock are 64-bit words, in lanes that hold their bits; time and draw are the same in all lanes.
    """

    def codegen(context, builder, signature, args):
        words = [builder.bitcast(word, _INTEGERS) for word in args[:3]]
        counter = (builder.add(words[2], _splat_integer(builder, args[3])), _splat_integer(builder, args[4]))
        pair = [_unit(builder, word) for word in _threefry(builder, counter, words[:2])]
        return context.make_tuple(builder, signature.return_type, pair)

    return types.UniTuple(_LANES, 2)(_LANES, _LANES, _LANES, types.int64, types.int64), codegen
