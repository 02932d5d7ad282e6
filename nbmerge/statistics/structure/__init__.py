"""Structure: conflicts of signs, singular values, coefficients, family and lineage of models.

Everything is streamed: block by block, or in blocks of rows with thin matrices beside them. Exported names are loaded on first
use: they need torch and pandas.
"""

from typing import TYPE_CHECKING

from nbmerge.imports import exporter

if TYPE_CHECKING:
    from nbmerge.statistics.structure.coefficients import Coefficients, measure_coefficients
    from nbmerge.statistics.structure.conflicts import Conflicts, measure_conflicts
    from nbmerge.statistics.structure.family import Family, Finding, check_family
    from nbmerge.statistics.structure.lineage import Ancestor, Lineage, trace_lineage
    from nbmerge.statistics.structure.spectra import Spectra, measure_spectra
    from nbmerge.statistics.structure.spectrum import Overlap, Spectrum

__all__ = [
    "Ancestor",
    "Coefficients",
    "Conflicts",
    "Family",
    "Finding",
    "Lineage",
    "Overlap",
    "Spectra",
    "Spectrum",
    "check_family",
    "measure_coefficients",
    "measure_conflicts",
    "measure_spectra",
    "trace_lineage",
]

__getattr__ = exporter(
    __name__,
    coefficients=("Coefficients", "measure_coefficients"),
    conflicts=("Conflicts", "measure_conflicts"),
    family=("Family", "Finding", "check_family"),
    lineage=("Ancestor", "Lineage", "trace_lineage"),
    spectra=("Spectra", "measure_spectra"),
    spectrum=("Overlap", "Spectrum"),
)
