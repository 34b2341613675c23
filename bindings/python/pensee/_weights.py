"""Tensors of other libraries as the native set_weights() takes them: float32, float16 and bfloat16 without a copy where
they are contiguous and in this machine's memory."""

from __future__ import annotations

import importlib
from typing import Any

from ._options import DTYPES, utf8

Row = tuple[bytes, int, list[int], Any]


def _from_torch(tensor: Any) -> tuple[int | None, Any]:
    """The dtype where numpy does not know it, and the array."""
    tensor = tensor.detach().cpu()
    if str(tensor.dtype) != "torch.bfloat16":
        return None, tensor.numpy()
    torch = importlib.import_module("torch")  # it is here: the tensor is its
    return DTYPES["bf16"], tensor.contiguous().view(torch.int16).numpy()


def tensor_row(name: str, tensor: Any) -> Row:
    """(name, dtype, shape, buffer) of a numpy array, a torch tensor, or anything with __array__ or __dlpack__."""
    import numpy

    dtype: int | None = None
    if hasattr(tensor, "detach"):
        dtype, array = _from_torch(tensor)
    elif hasattr(tensor, "__dlpack__") and not hasattr(tensor, "__array__"):
        array = numpy.from_dlpack(tensor)
    else:
        array = numpy.asarray(tensor)
    if dtype is None and array.dtype.name == "bfloat16":  # ml_dtypes, as jax gives
        dtype, array = DTYPES["bf16"], numpy.ascontiguousarray(array).view(numpy.uint16)
    elif dtype is None and array.dtype.kind == "f":
        half = array.dtype.itemsize == 2
        dtype = DTYPES["f16"] if half else DTYPES["f32"]
        array = array.astype(numpy.float16 if half else numpy.float32, copy=False)
    if dtype is None:
        raise TypeError(f"{name}: expected float32, float16 or bfloat16, not {array.dtype}")
    shape = list(array.shape)
    return utf8(name, "tensor name"), dtype, shape, numpy.ascontiguousarray(array)
