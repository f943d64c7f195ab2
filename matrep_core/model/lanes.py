"""Eight float32 numbers that move together: a vector type for compiled code, so that it runs at the processor's width.

Inside a function compiled by numba, ``load(array, i)`` takes eight numbers, ``+ - * /`` and the functions below
work on all eight, ``store(array, i, lanes)`` puts them back; LLVM turns each into one instruction (two on processors
with narrower vectors). Loops over plain numbers leave that to the compiler's guess, which fails on short rows.
Offsets are not checked; arrays are contiguous float32.

numba's cache on disk looks at the file of the compiled function alone: after a change here, delete ``__pycache__``.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

# How everything that works on lanes is compiled: without the interpreter's lock, kept on disk, a product and the sum
# after it as one instruction, a quotient by 0 as IEEE has it.
COMPILED = {"nogil": True, "cache": True, "fastmath": {"contract"}, "error_model": "numpy"}
WIDTH = 8
_VECTOR = ir.VectorType(ir.FloatType(), WIDTH)
_FUSE = ("contract",)  # a product and the sum after it may be one instruction


class Lanes(types.Type):  # type: ignore[misc]
    """The type of eight float32 numbers."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


lanes = Lanes()


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, _VECTOR)


def _operator(symbol: Any, instruction: str) -> None:
    @infer_global(symbol)
    class _Typing(ConcreteTemplate):  # type: ignore[misc]
        cases = [signature(lanes, lanes, lanes)]

    @lower_builtin(symbol, lanes, lanes)
    def _lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, instruction)(*args, flags=_FUSE)


for _symbol, _instruction in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"), (operator.truediv, "fdiv")):
    _operator(_symbol, _instruction)


def _place(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.gep(data, [offset])


def _eight(builder: Any, number: Any) -> Any:
    nothing, index = ir.Constant(_VECTOR, ir.Undefined), ir.IntType(32)
    one = builder.insert_element(nothing, number, index(0))
    return builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(index, WIDTH), [0] * WIDTH))


def _call(builder: Any, name: str, value: Any) -> Any:
    return builder.call(builder.module.declare_intrinsic(name, (), ir.FunctionType(_VECTOR, [_VECTOR])), [value])


@intrinsic
def load(typing: Any, array: Any, offset: Any) -> Any:
    """Eight numbers of a contiguous float32 array, from its flat ``offset`` on."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = _place(context, builder, sig.args[0], *args)
        return builder.load(builder.bitcast(place, _VECTOR.as_pointer()), align=4)

    return signature(lanes, array, types.intp), lower


@intrinsic
def store(typing: Any, array: Any, offset: Any, value: Any) -> Any:
    """Put eight numbers into a contiguous float32 array, from its flat ``offset`` on."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = _place(context, builder, sig.args[0], args[0], args[1])
        builder.store(args[2], builder.bitcast(place, _VECTOR.as_pointer()), align=4)
        return context.get_dummy_value()

    return signature(types.void, array, types.intp, lanes), lower


@intrinsic
def alike(typing: Any, number: Any) -> Any:
    """Eight times the same number."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _eight(builder, args[0])

    return signature(lanes, types.float32), lower


@intrinsic
def root(typing: Any, value: Any) -> Any:
    """Square roots."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call(builder, "llvm.sqrt.v8f32", args[0])

    return signature(lanes, lanes), lower


def _choosing(name: str, comparison: str, about: str) -> Any:
    def choose(typing: Any, a: Any, b: Any) -> Any:
        def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.select(builder.fcmp_ordered(comparison, args[1], args[0]), args[1], args[0])

        return signature(lanes, lanes, lanes), lower

    choose.__name__, choose.__doc__ = name, about
    return intrinsic(choose)


lower_of = _choosing("lower_of", "<", "The lower of a and b; a where a is not a number.")
higher_of = _choosing("higher_of", ">", "The higher of a and b; a where a is not a number.")


@intrinsic
def where_zero(typing: Any, test: Any, yes: Any, no: Any) -> Any:
    """``yes`` where ``test`` is 0, else ``no``."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        zero = ir.Constant(_VECTOR, [0.0] * WIDTH)
        return builder.select(builder.fcmp_ordered("==", args[0], zero), args[1], args[2])

    return signature(lanes, lanes, lanes, lanes), lower


@intrinsic
def any_below(typing: Any, a: Any, b: Any) -> Any:
    """Whether any number of a is below its partner in b."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        below = builder.fcmp_ordered("<", *args)
        bits = builder.bitcast(below, ir.IntType(WIDTH))
        return builder.icmp_unsigned("!=", bits, ir.Constant(ir.IntType(WIDTH), 0))

    return signature(types.boolean, lanes, lanes), lower


@intrinsic
def spread(typing: Any, array: Any, offset: Any) -> Any:
    """Eight times the number at the flat ``offset`` of a contiguous float32 array."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _eight(builder, builder.load(_place(context, builder, sig.args[0], *args), align=4))

    return signature(lanes, array, types.intp), lower


@intrinsic
def total(typing: Any, value: Any) -> Any:
    """The sum of the eight numbers, as one."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        index, value = ir.IntType(32), args[0]
        for half in (4, 2, 1):
            turned = ir.Constant(ir.VectorType(index, WIDTH), [(i + half) % WIDTH for i in range(WIDTH)])
            value = builder.fadd(value, builder.shuffle_vector(value, value, turned))
        return builder.extract_element(value, index(0))

    return signature(types.float32, lanes), lower


@intrinsic
def turn(typing: Any, source: Any, offset: Any, stride: Any, target: Any, place: Any, target_stride: Any) -> Any:
    """Copy a square of 8 × 8 numbers with rows and columns exchanged; strides are the distances from row to row."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        source, offset, stride, target, place, target_stride = args
        index = ir.IntType(32)

        def pick(a: Any, b: Any, which: list[int]) -> Any:
            return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(index, WIDTH), which))

        rows = []
        for _ in range(WIDTH):
            at = builder.bitcast(_place(context, builder, sig.args[0], source, offset), _VECTOR.as_pointer())
            rows.append(builder.load(at, align=4))
            offset = builder.add(offset, stride)
        for apart in (4, 2, 1):  # exchange the off-diagonal quarters, then those of each quarter, then single numbers
            for i in range(WIDTH):
                if not i & apart:
                    a, b = rows[i], rows[i + apart]
                    rows[i] = pick(a, b, [j if not j & apart else WIDTH + j - apart for j in range(WIDTH)])
                    rows[i + apart] = pick(a, b, [j + apart if not j & apart else WIDTH + j for j in range(WIDTH)])
        for row in rows:
            at = builder.bitcast(_place(context, builder, sig.args[3], target, place), _VECTOR.as_pointer())
            builder.store(row, at, align=4)
            place = builder.add(place, target_stride)
        return context.get_dummy_value()

    return signature(types.void, source, types.intp, types.intp, target, types.intp, types.intp), lower
