"""What the formulas share: portable arithmetic, geometry by Gram matrices, selection, spectra, elections, random numbers."""

from nbmerge.methods.numerics.fused import add_scaled_, interpolate, torch_fuses
from nbmerge.methods.numerics.selection import Cut
from nbmerge.methods.numerics.sums import halve, inner_products

__all__ = ["Cut", "add_scaled_", "halve", "inner_products", "interpolate", "torch_fuses"]
