"""The compiler settings of every kernel.

Strict IEEE arithmetic on purpose: no ``fastmath``, so that a point's result does not depend on which lanes or which
loop computed it. ``error_model="numpy"`` drops the zero-division checks; ``nogil`` lets Dask's threads run kernels
side by side. Kernels have no parallelism of their own. The on-disk cache is left off: a kernel compiles in one
to five seconds in each process, and Numba's cache does not notice an edit in another file.
"""

OPTIONS = {"nogil": True, "error_model": "numpy"}

#: For functions that only kernels call: without the wrappers for Python and C, a quarter of the compile time.
INNER = OPTIONS | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

#: For short ones in the innermost loops, where passing the arguments costs as much as the work.
INLINED = INNER | {"forceinline": True}
