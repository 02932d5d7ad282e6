"""Python 3.10's pathlib with the functions of os that are there when it calls them: tests put others in their place."""

from __future__ import annotations

import io
import os
import pathlib
from typing import Any

PLACES = {
    "open": io,
    **dict.fromkeys(("listdir", "mkdir", "rename", "replace", "rmdir", "scandir", "stat", "unlink"), os),
}


def looked_up_late(module: Any, name: str) -> Any:
    return staticmethod(lambda *arguments, **more: getattr(module, name)(*arguments, **more))


for _name, _module in PLACES.items():
    setattr(pathlib._NormalAccessor, _name, looked_up_late(_module, _name))
