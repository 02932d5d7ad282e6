"""Cluster: a plan carried out by other processes and machines that share a filesystem.

`executor` hands out groups of tensors; `task` is what a worker receives, does and returns.
"""

from nbmerge.engine.cluster.executor import connected, run_on

__all__ = ["connected", "run_on"]
