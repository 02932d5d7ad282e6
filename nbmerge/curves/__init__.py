"""Curves: what can be drawn over the layers, read from a plan (`tracks`, `read_back`) and written to a recipe (`write_back`).

A track's values are a `Curve`; its knots are a `Line`. Both are read from the plan, changed by pure functions, and written
into a new recipe, in which everything else stays as it was written.
"""

from nbmerge.curves.knots import (
    Knot,
    add_knot,
    knots_to_value,
    map_knots,
    move_knot,
    remove_knot,
    spread_knots,
    value_at,
    values_at_layers,
)
from nbmerge.curves.preset_file import (
    delete_preset,
    export_presets,
    import_presets,
    list_presets,
    read_presets_text,
    save_preset,
    write_presets_text,
)
from nbmerge.curves.presets import PRESETS, Preset, preset_of_knots
from nbmerge.curves.read_back import Line, read_knots
from nbmerge.curves.tracks import Curve, Track, list_tracks, read_curve
from nbmerge.curves.typed import parse_typed
from nbmerge.curves.write_back import write_curve, write_knots, write_layers, write_targets
from nbmerge.curves.write_typed import format_curve, format_line, write_typed

__all__ = [
    "PRESETS",
    "Curve",
    "Knot",
    "Line",
    "Preset",
    "Track",
    "add_knot",
    "delete_preset",
    "export_presets",
    "format_curve",
    "format_line",
    "import_presets",
    "knots_to_value",
    "list_presets",
    "list_tracks",
    "map_knots",
    "move_knot",
    "parse_typed",
    "preset_of_knots",
    "read_curve",
    "read_knots",
    "read_presets_text",
    "remove_knot",
    "save_preset",
    "spread_knots",
    "value_at",
    "values_at_layers",
    "write_curve",
    "write_knots",
    "write_layers",
    "write_presets_text",
    "write_targets",
    "write_typed",
]
