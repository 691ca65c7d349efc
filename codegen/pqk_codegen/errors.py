"""The one exception of this package."""


class IrError(ValueError):
    """A network breaks a rule of the intermediate representation, or asks for what no kernel can do."""
