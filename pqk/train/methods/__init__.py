"""The ways to train a network, one file each. A new one is a file here and its line in METHODS."""

from pqk.errors import ProjectError
from pqk.train.methods.float_ import Float
from pqk.train.methods.method import Compression, Method
from pqk.train.methods.pqk import Pqk
from pqk.train.registry import find

__all__ = ["METHODS", "Compression", "Float", "Method", "find_compression"]

METHODS: dict[str, type[Method]] = {"float": Float, "pqk": Pqk}


def find_compression(name: str) -> type[Compression]:
    """The method called `name`. Raises ProjectError unless it is known and its result can run on a device."""
    method = find(METHODS, "compression.method", name)
    if not issubclass(method, Compression):
        choices = ", ".join(key for key, value in METHODS.items() if issubclass(value, Compression))
        raise ProjectError(f"compression.method = {name!r} makes no network for a device", f"choose: {choices}")
    return method
