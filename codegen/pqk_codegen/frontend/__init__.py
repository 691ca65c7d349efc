"""The front end in integers: spec, constant tables, and the definition in numpy that C agrees with bit for bit."""

from pqk_codegen.frontend.reference import FrontEnd
from pqk_codegen.frontend.spec import RATE, FrontEndSpec

__all__ = ["RATE", "FrontEnd", "FrontEndSpec"]
