"""Intermediate representation of an integer network, its reference arithmetic, and the C generator.

Needs numpy and jinja2 only. The trainer writes the IR, the generator reads it; neither knows the other.
"""
