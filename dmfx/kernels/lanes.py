"""Lanes: one number for each of sixteen sweep points, advanced together by the vector unit.

A kernel written with `Lanes` reads like one for a single point; every operation acts on all lanes at once and
compiles to vector instructions by construction, not by the compiler's judgement. Values live in a workspace, a 1-D
float64 array of rows of ``WIDTH`` numbers, through `load` and `store`.

Arithmetic is strict: each lane gets the same bits whatever stands in the others, on any processor, since fused
multiply-adds are written out (`fma`) and exp and tanh are the polynomials below, not those of a system library.

Measured at 3 patterns, context 4, 3 column types, ns per step and point on one core: a prototype of this kind took 16.7
at width 8, 9.7 at 16, 10.2 at 32, where tanh and exp alone cost 4.7; the same kernel as loops over lanes left to the
compiler 40 at 16 lanes, 21 at 64 (each short loop is preceded by run-time checks for aliasing). Aligning the
workspace: 16.9 to 12.0. Did not pay: `fastmath`; numbers of patterns, lags and columns as constants; a ring stored
twice to spare the wrap-around; copying results out by vector transposition (recording costs what touching new memory
costs).
"""

from __future__ import annotations

import operator

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

__all__ = [
    "WIDTH",
    "any_above",
    "blocks",
    "ceil",
    "choose",
    "exp",
    "fma",
    "lanes_of",
    "load",
    "log",
    "maximum",
    "splat",
    "spread",
    "sqrt",
    "store",
    "tanh",
    "workspace",
]

#: Number of sweep points in one workspace row.
WIDTH = 16

_ALIGNMENT = 64  # bytes: a cache line, and the widest vector

_FLOATS = ir.VectorType(ir.DoubleType(), WIDTH)
_INTEGERS = ir.VectorType(ir.IntType(64), WIDTH)
_WORKSPACE = types.Array(types.float64, 1, "C")

# exp(r) - 1 - r = r² q(r) on |r| ≤ ln(2)/2, interpolated at Chebyshev nodes, degree 9.
_EXP_Q = (
    0.5000000000000001,
    0.16666666666666669,
    0.04166666666662399,
    0.008333333333330051,
    0.0013888888917281794,
    0.00019841269863105968,
    2.480152119021773e-05,
    2.7557268378684192e-06,
    2.7620138719733994e-07,
    2.5100424157005067e-08,
)
_LOG2_E = 1.4426950408889634
_LN2_HIGH = float.fromhex("0x1.62e42fefa39efp-1")
_LN2_LOW = float.fromhex("0x1.abc9e3b39803fp-56")
_ROUND = 6755399441055744.0  # 1.5 · 2^52: adding it leaves the nearest integer in the low bits
# log(1 + f) = f - f²/2 + s (f²/2 + R(s²)), s = f / (2 + f): coefficients of R(z)/z, odd and even ones apart.
_LOG_ODD = (0.6666666666666735, 0.2857142874366239, 0.1818357216161805, 0.14798198605116586)
_LOG_EVEN = (0.3999999999940942, 0.22222198432149784, 0.15313837699209373)
_LOG_LN2_HIGH, _LOG_LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10  # the former times an exponent is exact
_SMALLEST = 2.2250738585072014e-308
_LOWEST = -708.0  # below it 2^n would leave the range of normal numbers


class LanesType(types.Type):
    """Numba type of one number per lane."""

    def __init__(self):
        super().__init__(name=f"Lanes[{WIDTH}]")


_LANES = LanesType()


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, _FLOATS)


def _constant(value: float) -> ir.Constant:
    return ir.Constant(_FLOATS, [float(value)] * WIDTH)


def _integers(value: int) -> ir.Constant:
    return ir.Constant(_INTEGERS, [value] * WIDTH)


def _fma(builder, a, b, c):
    name = f"llvm.fma.v{WIDTH}f64"
    function = builder.module.globals.get(name)
    if function is None:
        function = ir.Function(builder.module, ir.FunctionType(_FLOATS, [_FLOATS] * 3), name)
    return builder.call(function, [a, b, c])


def _call_unary(builder, operation, x):
    name = f"llvm.{operation}.v{WIDTH}f64"
    function = builder.module.globals.get(name)
    if function is None:
        function = ir.Function(builder.module, ir.FunctionType(_FLOATS, [_FLOATS]), name)
    return builder.call(function, [x])


def _row_pointer(context, builder, workspace, row):
    array = context.make_array(_WORKSPACE)(context, builder, workspace)
    first = builder.gep(array.data, [builder.mul(row, ir.Constant(row.type, WIDTH))])
    return builder.bitcast(first, _FLOATS.as_pointer())


@intrinsic
def load(typing_context, workspace, row):
    """The numbers in a row of the workspace."""

    def codegen(context, builder, signature, args):
        return builder.load(_row_pointer(context, builder, *args), align=8)

    return _LANES(_WORKSPACE, types.intp), codegen


@intrinsic
def store(typing_context, workspace, row, value):
    """Write the numbers into a row of the workspace."""

    def codegen(context, builder, signature, args):
        builder.store(args[2], _row_pointer(context, builder, *args[:2]), align=8)
        return context.get_dummy_value()

    return types.void(_WORKSPACE, types.intp, _LANES), codegen


@intrinsic
def splat(typing_context, number):
    """The same number in every lane."""

    def codegen(context, builder, signature, args):
        undefined = ir.Constant(_FLOATS, ir.Undefined)
        first = builder.insert_element(undefined, args[0], ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
        return builder.shuffle_vector(first, undefined, zeros)

    return _LANES(types.float64), codegen


@intrinsic
def fma(typing_context, a, b, c):
    """``a * b + c``, rounded once."""

    def codegen(context, builder, signature, args):
        return _fma(builder, *args)

    return _LANES(_LANES, _LANES, _LANES), codegen


@intrinsic
def maximum(typing_context, a, b):
    """The larger of two; ``b`` where ``a`` is NaN."""

    def codegen(context, builder, signature, args):
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return _LANES(_LANES, _LANES), codegen


def _scaled_expm1(builder, x):
    """Return p = e^r - 1 and s = 2^n with e^x = s (1 + p), for x ≤ 709; NaN stays NaN."""
    low = builder.fcmp_ordered("<", x, _constant(_LOWEST))
    x = builder.select(low, _constant(_LOWEST), x)
    shifted = _fma(builder, x, _constant(_LOG2_E), _constant(_ROUND))
    n = builder.fsub(shifted, _constant(_ROUND))
    r = _fma(builder, n, _constant(-_LN2_HIGH), x)
    r = _fma(builder, n, _constant(-_LN2_LOW), r)
    # Estrin's scheme: shorter dependency chains than Horner's, which is what limits sixteen lanes.
    r2 = builder.fmul(r, r)
    r4 = builder.fmul(r2, r2)
    q = [_constant(c) for c in _EXP_Q]
    pairs = [_fma(builder, r, q[i + 1], q[i]) for i in range(0, 10, 2)]
    low_half = _fma(builder, r2, pairs[1], pairs[0])
    high_half = _fma(builder, r4, pairs[4], _fma(builder, r2, pairs[3], pairs[2]))
    p = _fma(builder, r2, _fma(builder, r4, high_half, low_half), r)
    exponent = builder.shl(builder.bitcast(shifted, _INTEGERS), _integers(52))
    one = _integers(0x3FF0000000000000)
    return p, builder.bitcast(builder.add(exponent, one), _FLOATS)


@intrinsic
def exp(typing_context, x):
    """e^x for x ≤ 709, within 1 ulp; exp(-708) = 3e-308 below x = -708; NaN for NaN and infinity."""

    def codegen(context, builder, signature, args):
        p, s = _scaled_expm1(builder, args[0])
        return _fma(builder, p, s, s)

    return _LANES(_LANES), codegen


@intrinsic
def tanh(typing_context, x):
    """Hyperbolic tangent within 2.5 ulp, odd to the bit: sign(x) · -expm1(-2|x|) / (2 + expm1(-2|x|))."""

    def codegen(context, builder, signature, args):
        magnitude_bits = _integers(0x7FFFFFFFFFFFFFFF)
        bits = builder.bitcast(args[0], _INTEGERS)
        magnitude = builder.bitcast(builder.and_(bits, magnitude_bits), _FLOATS)
        p, s = _scaled_expm1(builder, builder.fmul(_constant(-2.0), magnitude))
        expm1 = _fma(builder, p, s, builder.fsub(s, _constant(1.0)))
        quotient = builder.fdiv(expm1, builder.fadd(_constant(2.0), expm1))
        unsigned = builder.and_(builder.bitcast(quotient, _INTEGERS), magnitude_bits)
        sign = builder.and_(bits, _integers(-0x8000000000000000))
        return builder.bitcast(builder.or_(unsigned, sign), _FLOATS)

    return _LANES(_LANES), codegen


@intrinsic
def sqrt(typing_context, x):
    """Square root, correctly rounded; NaN below zero."""

    def codegen(context, builder, signature, args):
        return _call_unary(builder, "sqrt", args[0])

    return _LANES(_LANES), codegen


@intrinsic
def ceil(typing_context, x):
    """The next whole number that is not below x."""

    def codegen(context, builder, signature, args):
        return _call_unary(builder, "ceil", args[0])

    return _LANES(_LANES), codegen


@intrinsic
def log(typing_context, x):
    """Natural logarithm of a normal number, within 1 ulp; NaN for zero, subnormal and negative ones, infinity, NaN."""

    def codegen(context, builder, signature, args):
        x = args[0]
        # x = 2^k (1 + f) with 1 + f from √½ to √2: one is added to k where the mantissa is above √2.
        bits = builder.add(builder.bitcast(x, _INTEGERS), _integers(0x3FF0000000000000 - 0x3FE6A09E667F3BCD))
        biased = builder.lshr(bits, _integers(52))
        mantissa = builder.add(builder.and_(bits, _integers(0x000FFFFFFFFFFFFF)), _integers(0x3FE6A09E667F3BCD))
        as_float = builder.bitcast(builder.or_(biased, _integers(0x4330000000000000)), _FLOATS)
        k = builder.fsub(as_float, _constant(2.0**52 + 1023))
        f = builder.fsub(builder.bitcast(mantissa, _FLOATS), _constant(1.0))
        s = builder.fdiv(f, builder.fadd(f, _constant(2.0)))
        z = builder.fmul(s, s)
        w = builder.fmul(z, z)
        odd, even = _constant(_LOG_ODD[-1]), _constant(_LOG_EVEN[-1])
        for coefficient in _LOG_ODD[-2::-1]:
            odd = _fma(builder, odd, w, _constant(coefficient))
        for coefficient in _LOG_EVEN[-2::-1]:
            even = _fma(builder, even, w, _constant(coefficient))
        r = _fma(builder, odd, z, builder.fmul(even, w))
        half = builder.fmul(_constant(0.5), builder.fmul(f, f))
        low = _fma(builder, k, _constant(_LOG_LN2_LOW), builder.fmul(s, builder.fadd(half, r)))
        value = _fma(builder, k, _constant(_LOG_LN2_HIGH), builder.fsub(f, builder.fsub(half, low)))
        known = builder.and_(
            builder.fcmp_ordered(">=", x, _constant(_SMALLEST)),
            builder.fcmp_ordered("<", x, _constant(float("inf"))),
        )
        return builder.select(known, value, _constant(float("nan")))

    return _LANES(_LANES), codegen


@intrinsic
def choose(typing_context, a, b, above, otherwise):
    """``above`` where a > b, ``otherwise`` elsewhere."""

    def codegen(context, builder, signature, args):
        a, b, above, otherwise = args
        return builder.select(builder.fcmp_ordered(">", a, b), above, otherwise)

    return _LANES(_LANES, _LANES, _LANES, _LANES), codegen


@intrinsic
def any_above(typing_context, a, b):
    """Whether a > b in any lane."""

    def codegen(context, builder, signature, args):
        mask = builder.fcmp_ordered(">", *args)
        bits = builder.bitcast(mask, ir.IntType(WIDTH))
        return builder.icmp_unsigned("!=", bits, ir.Constant(ir.IntType(WIDTH), 0))

    return types.boolean(_LANES, _LANES), codegen


def _define_operator(python_operator, instruction: str) -> None:
    # Typed and lowered directly: an `overload` would compile a function of its own for each operator.
    @type_callable(python_operator)
    def type_operator(context):
        def typer(a, b):
            if isinstance(a, LanesType) and isinstance(b, LanesType):
                return _LANES
            return None

        return typer

    @lower_builtin(python_operator, LanesType, LanesType)
    def lower_operator(context, builder, signature, args):
        return getattr(builder, instruction)(*args)


for _operator, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _define_operator(_operator, _instruction)


def workspace(n_rows: int) -> np.ndarray:
    """Return an uninitialised workspace of shape (n_rows, WIDTH), aligned with the vector unit.

    NumPy aligns to 16 bytes only; vectors that straddle cache lines cost up to half as much again (measured: 16.9 ns
    per step against 12.0).
    """
    memory = np.empty(n_rows * WIDTH + _ALIGNMENT // 8)
    skip = -memory.ctypes.data % _ALIGNMENT // 8
    return memory[skip : skip + n_rows * WIDTH].reshape(n_rows, WIDTH)


def blocks(n_points: int) -> int:
    """Number of workspaces that ``n_points`` sweep points fill."""
    return -(-n_points // WIDTH)


def lanes_of(block: int, n_points: int) -> np.ndarray:
    """Points in the lanes of a block; the last point stands in for those that an incomplete block lacks."""
    return np.minimum(np.arange(block * WIDTH, (block + 1) * WIDTH), n_points - 1)


def spread(values: np.ndarray) -> np.ndarray:
    """The values of one block's lanes as workspace rows.

    Parameters
    ----------
    values
        Shape (WIDTH, ...).

    Returns
    -------
    np.ndarray
        Shape (rows, WIDTH): what stands behind the first axis, flattened in C order, times lanes.
    """
    return np.ascontiguousarray(values.reshape(WIDTH, -1).T)
