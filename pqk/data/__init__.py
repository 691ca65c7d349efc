"""Recordings: where they are, what is in them, reading and downloading them."""
