"""A pytest plugin: no finalizer runs while a source file becomes a tree.

Python 3.11 miscounts the depth of a tree when one does, and gives up with "AST constructor recursion depth mismatch";
pytest itself then cannot start, whenever the collector's turn falls into one of the modules it rewrites.
"""

import ast
import functools
import gc
from typing import Any

_parse = ast.parse


@functools.wraps(_parse)
def _parse_undisturbed(*arguments: Any, **options: Any) -> Any:
    was_on = gc.isenabled()
    gc.disable()
    try:
        return _parse(*arguments, **options)
    finally:
        if was_on:
            gc.enable()


ast.parse = _parse_undisturbed
