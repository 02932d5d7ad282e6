"""Writes docs/api.md from the docstrings: ``python docs/make_api.py``. A test compares the page with them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from textwrap import dedent

PAGE = Path(__file__).with_name("api.md")
WIDTH = 100
"""Characters of a signature on one line."""
PAGES = {
    "Recipes": "nbmerge: Recipe shuffle_layers ModelRef Problem describe_difference Difference",
    "Plans and checks": "nbmerge: plan Plan check Report forecast_live LiveForecast",
    "Merging to disk": "nbmerge: merge MergeResult verify Verification transplant Transplant fill_missing publish Published",
    "Adapters": "nbmerge: extract_lora Extraction merge_adapters AdapterMerge",
    "Mixtures of experts": "nbmerge: moe measure_routing Routing",
    "Merging in memory": (
        "nbmerge: live LiveMerge virtual VirtualMerge Update Pin choose_backend BackendChoice merge_tensors compute_tensors"
    ),
    "Sampling": "nbmerge: sample compare Sample Comparison sample_grid GridAxis SampleGrid blind_test BlindTest BlindResult",
    "Scores": "nbmerge: perplexity log_odds LogOdds",
    "Understanding": "nbmerge: sweep PathScores ablate Ablation sensitivity Sensitivity compare_tokens TokenComparison",
    "Data-informed merging": "nbmerge: gather_statistics Gathered",
    "Searching": "nbmerge: search SearchResult",
    "Evaluating": "nbmerge: evaluate Evaluation",
    "Statistics": "nbmerge: measure_models Statistics measure_merge Changes",
    "Structure": (
        "nbmerge: measure_conflicts Conflicts measure_spectra Spectra measure_coefficients Coefficients check_family Family "
        "trace_lineage Lineage"
    ),
    "The Studio": "nbmerge: Studio export_page",
    "Plots": (
        "nbmerge.plots: plot_merge plot_method gradients Gradient layer_curves heatmap model_colours new_axes Look NotebookFigure "
        "to_png to_bytes"
    ),
    "More on sampling and scores": (
        "nbmerge.sampling: load Loaded evaluation_mode limit_threads log_probabilities LatestRequest Perplexity Phrase "
        "ScoreHistory BlindPair ScoreRecord"
    ),
    "More on understanding": "nbmerge.analysis: Barrier Derivative Divergence",
    "More on searching": "nbmerge.optimisation: Range Choice Space make_space Trial Goal read_evolve EvolveSearch",
    "More on evaluating": "nbmerge.evaluation: Measure TaskScore",
    "More statistics": "nbmerge.statistics: estimate Estimate",
    "More on structure": "nbmerge.statistics.structure: Ancestor Finding Overlap Spectrum",
    "More on adapters": "nbmerge.adapters: AdapterReport ExtractedTensor MergedTensor",
    "Lessons": (
        "nbmerge.lessons: ask Question Reply list_questions Microscope draw_steps trace_method Step Interpolation draw_interpolation "
        "Seeds draw_seeds Stack StackMeasurement draw_stack Triangle draw_triangle measure_triangle InteractiveFigure"
    ),
    "Progress": "nbmerge.progress: Event",
    "Types": "nbmerge.typing: RecipeLike ModelLike Askable ProgressLike StopSignal",
    "Errors": (
        "nbmerge.errors: NbmergeError RecipeError ArgumentError CheckpointError MergeError MergeStopped OutputError SampleError "
        "NotReadyError TooLargeError VirtualError PredictionError"
    ),
}
INTRODUCTION = """\
# API reference

Written from the docstrings by `docs/make_api.py`. Names without a module are in `nbmerge` itself (`import nbmerge as nbm`).
"""


def build_page() -> str:
    """The whole page."""
    sections = [INTRODUCTION]
    for title, listed in PAGES.items():
        module, _, names = listed.partition(": ")
        sections.append(f"## {title}\n")
        sections += [_describe(module, name) for name in names.split()]
    return "\n".join(sections).rstrip() + "\n"


def list_names(module: str) -> list[str]:
    """The names of a module that the page describes."""
    pages = (listed.partition(": ") for listed in PAGES.values())
    return [name for of, _, names in pages if of == module for name in names.split()]


def _describe(module: str, name: str) -> str:
    thing = getattr(import_module(module), name)
    full = name if module == "nbmerge" else f"{module}.{name}"
    if inspect.isclass(thing):
        members = "".join(f"- {line}\n" for line in _members(thing))
        return f"### {full}\n\n{_to_markdown(inspect.getdoc(thing) or '')}\n" + (
            members and f"**Methods and properties**\n\n{members}"
        )
    if callable(thing):
        return f"### {full}\n\n```text\n{_signature(name, thing)}\n```\n\n{_to_markdown(inspect.getdoc(thing) or '')}\n"
    return f"### {full}\n\n```text\n{thing}\n```\n\n{_attribute_docstring(module, name)}\n"


def _signature(name: str, function: object) -> str:
    """The signature, one parameter per line where it is long."""
    signature = inspect.signature(function)  # type: ignore[arg-type]
    parameters = [_plain(str(p)) for p in signature.parameters.values() if p.name not in ("self", "cls")]
    if any(p.kind is p.KEYWORD_ONLY for p in signature.parameters.values()) and not any(
        p.kind is p.VAR_POSITIONAL for p in signature.parameters.values()
    ):
        first = next(p.name for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY)
        parameters.insert(next(i for i, p in enumerate(parameters) if re.match(rf"{first}\b", p)), "*")
    returned = signature.return_annotation
    arrow = "" if returned is signature.empty else f" -> {_plain(str(returned))}"
    line = f"{name}({', '.join(parameters)}){arrow}"
    return line if len(line) <= WIDTH else f"{name}(\n    " + ",\n    ".join(parameters) + f",\n){arrow}"


def _plain(annotated: str) -> str:
    """Annotations are strings while the program runs; without their quotes they read as they are written."""
    head, equals, default = annotated.partition(" = ")
    return re.sub(r"'([^']*)'", r"\1", head) + equals + default


def _members(of: type) -> Iterator[str]:
    """Public methods and properties that the package defines, each with the first line of its docstring."""
    seen: set[str] = set()
    for base in (c for c in of.__mro__ if c.__module__.partition(".")[0] == "nbmerge"):
        for name, member in vars(base).items():
            kind = type(member).__name__
            wanted = kind in ("function", "property", "cached_property", "classmethod", "staticmethod")
            if name.startswith(("_", "model_post")) or name in seen or not wanted or not inspect.getdoc(member):
                continue
            seen.add(name)
            first = _inline((inspect.getdoc(member) or "").split("\n\n")[0].replace("\n", " "))
            if kind in ("property", "cached_property"):
                yield f"`{name}`: {first}"
            else:
                signature = re.sub(r"\s+", " ", _signature(name, getattr(of, name)).replace("\n", " "))
                yield f"`{signature.replace('( ', '(').replace(', )', ')')}`: {first}"


def _attribute_docstring(module: str, name: str) -> str:
    """The string that follows an assignment in a module."""
    source = inspect.getsource(import_module(module))
    found = re.search(rf'^{name}\b.*?\n"""(.*?)"""', source, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def _to_markdown(docstring: str) -> str:
    """Numpy's sections as bold titles with lists."""
    parts = re.split(r"^([A-Z]\w+)\n-{3,}\n", docstring, flags=re.MULTILINE)
    text = [_inline(parts[0].strip())]
    for title, body in zip(parts[1::2], parts[2::2], strict=True):
        if title == "Examples":
            text.append(f"**{title}**\n\n```text\n{body.strip()}\n```")
        elif title == "Notes":
            text.append(f"**{title}**\n\n{_inline(body.strip())}")
        else:
            text.append(f"**{title}**\n\n" + "\n".join(_entries(body)))
    return "\n\n".join(text) + "\n"


def _entries(body: str) -> Iterator[str]:
    """``name : type`` with an indented description each."""
    for head, description in re.findall(r"^(\S[^\n]*)\n?((?:[ \t]+[^\n]*\n?|\n(?=[ \t]))*)", body, flags=re.MULTILINE):
        names, colon, kind = head.partition(" : ")
        what = " ".join(_inline(dedent(description)).split())
        yield f"- `{names}`" + (f" ({_inline(kind)})" if colon else "") + (f": {what}" if what else "")


def _inline(text: str) -> str:
    """Double backticks of docstrings are code."""
    return re.sub(r"``([^`]+)``", r"`\1`", text)


if __name__ == "__main__":
    PAGE.write_text(build_page(), encoding="utf-8")
