"""pqk-mcu: from recordings of a few words to a keyword spotter running on a Cortex-M board, measured on it."""

__version__ = "0.1.0"
