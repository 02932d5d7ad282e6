"""What the formulas share: geometry by Gram matrices, exact selection, spectra, elections of signs, random numbers."""

from nbmerge.methods.numerics.selection import Cut

__all__ = ["Cut"]
