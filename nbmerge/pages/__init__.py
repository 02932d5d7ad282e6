"""Pages: one HTML file of a merge that works without a kernel and without a network.

Its curves are changed as in the Studio, and distances follow exactly, from sums over tensors that the file contains. What is
computed there, in ``js/src/page``, is what `nbmerge.curves` and `nbmerge.statistics` compute here.
"""

from typing import TYPE_CHECKING

from nbmerge.imports import exporter

if TYPE_CHECKING:
    from nbmerge.pages.contents import Records
    from nbmerge.pages.export import check_place, export_page, make_page, write_page

__all__ = ["Records", "check_place", "export_page", "make_page", "write_page"]

__getattr__ = exporter(
    __name__, contents=("Records",), export=("check_place", "export_page", "make_page", "write_page")
)
