"""Recipes: what is merged and how, as data, and the languages it is written in."""

from nbmerge.model_ref import ModelRef
from nbmerge.recipe.load import RECIPE_FILE
from nbmerge.recipe.parts import Expert, Slice, Source
from nbmerge.recipe.recipe import Recipe
from nbmerge.recipe.setting import Rule, Setting
from nbmerge.recipe.text_edit import change_text, edit_text
from nbmerge.recipe.three_way import join_changes

__all__ = [
    "RECIPE_FILE",
    "Expert",
    "ModelRef",
    "Recipe",
    "Rule",
    "Setting",
    "Slice",
    "Source",
    "change_text",
    "edit_text",
    "join_changes",
]
