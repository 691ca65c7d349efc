"""Measuring on continuous audio: streams with known words, detections scored against them, thresholds chosen."""
