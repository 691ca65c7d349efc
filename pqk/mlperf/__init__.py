"""MLPerf Tiny: the public runner's text protocol, spoken by firmware that is built with `mlperf = true`.

The protocol is the one of mlcommons/tiny, `benchmark/api` and `benchmark/runner`: commands end with `%`, replies are
lines that end with CR LF, the last of them `m-ready`. `firmware/mlperf.c` is the device's side.
"""
