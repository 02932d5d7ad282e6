"""Lessons: interactive figures and questions, for the course in `notebooks/`.

Everything here computes with the merge methods themselves, by `nbmerge.merge_tensors`, so what a lesson shows is what a merge
does. Each interactive figure is a function from numbers to a figure, and a widget with controls for these numbers.
"""

from typing import TYPE_CHECKING

from nbmerge.imports import exporter

if TYPE_CHECKING:
    from nbmerge.lessons.interactive_figure import InteractiveFigure
    from nbmerge.lessons.interpolation import Interpolation, draw_interpolation
    from nbmerge.lessons.microscope import Microscope, draw_steps
    from nbmerge.lessons.questions import Question, Reply, ask, list_questions
    from nbmerge.lessons.seeds import Seeds, draw_seeds
    from nbmerge.lessons.stack import Stack, draw_stack
    from nbmerge.lessons.stacking import StackMeasurement
    from nbmerge.lessons.steps import Step, trace_method
    from nbmerge.lessons.triangle import Triangle, draw_triangle, measure_triangle

__all__ = [
    "InteractiveFigure",
    "Interpolation",
    "Microscope",
    "Question",
    "Reply",
    "Seeds",
    "Stack",
    "StackMeasurement",
    "Step",
    "Triangle",
    "ask",
    "draw_interpolation",
    "draw_seeds",
    "draw_stack",
    "draw_steps",
    "draw_triangle",
    "list_questions",
    "measure_triangle",
    "trace_method",
]

__getattr__ = exporter(
    __name__,
    interactive_figure=("InteractiveFigure",),
    interpolation=("Interpolation", "draw_interpolation"),
    microscope=("Microscope", "draw_steps"),
    questions=("Question", "Reply", "ask", "list_questions"),
    seeds=("Seeds", "draw_seeds"),
    stack=("Stack", "draw_stack"),
    stacking=("StackMeasurement",),
    steps=("Step", "trace_method"),
    triangle=("Triangle", "draw_triangle", "measure_triangle"),
)
