"""What holds for all tests."""

import signal

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("support")

# A shell that starts a program in the background has it ignore Ctrl-C, and so would all that tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# On a busy machine any example may take long.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")
