"""What holds for all tests."""

import signal

# A shell that starts a program in the background has it ignore Ctrl-C, and so would all that tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
