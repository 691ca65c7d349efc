"""Where audio comes from: a file, standard input, a microphone. All give mono int16 at the front end's rate."""
