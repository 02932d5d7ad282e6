"""Compiled loops for the engine: the same bytes as the functions that they stand for, in a fraction of the time.

They need numba, which ``pip install "nbmerge[fast]"`` installs. Start reading at `fusion`, then `methods.task_vectors`; `switch` decides
whether they are used. `fusion` is imported only where they are.
"""

from nbmerge.kernels.switch import find_loops, is_expected, request

__all__ = ["find_loops", "is_expected", "request"]
