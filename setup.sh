#!/bin/sh
# Makes .venv with pqk-mcu in it, and installs the system programs that are missing (Debian, Ubuntu; elsewhere it
# says which). `setup.sh demo` is enough to build and run firmware, `setup.sh test` adds what the tests use.
set -eu
cd "$(dirname "$0")"

missing=""
need() { # need COMMAND PACKAGE: remember the package unless the command is there
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

need arm-none-eabi-gcc gcc-arm-none-eabi
need qemu-system-arm qemu-system-arm
python3 -c "import ensurepip, venv" 2>/dev/null || missing="$missing python3-venv"
if [ "${1:-demo}" = test ]; then
    # A compiler without the C library's headers (Debian only recommends them) is not enough.
    echo '#include <stdio.h>' | gcc -E - >/dev/null 2>&1 || missing="$missing gcc libc6-dev"
    need clang-format clang-format
    # libFuzzer and the sanitizers are in a package that Debian's clang only recommends.
    echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' |
        clang -fsanitize=fuzzer,address,undefined -x c -o /dev/null - 2>/dev/null || missing="$missing clang libclang-rt-dev"
    browser=chromium
    grep -qs '^ID=ubuntu' /etc/os-release && browser=chromium-browser # its name for the same program
    command -v chromium-browser >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 || need chromium "$browser"
fi

if [ -n "$missing" ]; then
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "Please install these first, under the names your system has for them:$missing" >&2
        exit 1
    fi
    root=""
    [ "$(id -u)" = 0 ] || root=sudo
    echo "Installing$missing (apt-get, as root)"
    $root apt-get update -qq
    # shellcheck disable=SC2086  # a list of words is meant
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
fi

python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "pqk-mcu needs Python 3.11 or newer; this is $(python3 --version)" >&2
    exit 1
}
[ -x .venv/bin/python ] || python3 -m venv .venv
echo "Installing Python packages into .venv (PyTorch is large: some minutes the first time)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
