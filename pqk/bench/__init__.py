"""Benchmark: networks of fixed shapes and seeded weights, built and measured on the emulated boards."""
