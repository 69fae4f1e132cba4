#!/bin/sh
# Makes the environment of `make setup` from requirements.lock, unless it is there and still right. Nothing is written
# outside the checkout but uv's cache of packages.
#
#   sh setup/environment.sh FOLDER [PYTHON]       such as .venv; PYTHON as for setup/python.sh
set -eu
cd "$(dirname "$0")/.."

ENVIRONMENT=$1
ASKED=${2:-}
TOOLS=.uv # beside the environment: uv, and a Python where the system has none
UV=$TOOLS/bin/uv
READY=$ENVIRONMENT/ready
export UV_PYTHON_INSTALL_DIR="$PWD/$TOOLS/python" UV_PYTHON_INSTALL_BIN=0
export PIP_USER=0 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 # whatever the user's pip.conf says

say() { printf 'make setup: %s\n' "$1" >&2; }

stop() { # WHAT HINT
    say "$1"
    printf '  try: %s\n' "$2" >&2
    exit 1
}

# What an interpreter is: another of these behind .venv/bin/python, and nothing that was installed is found any more.
identity() { "$1" -c 'import sys; print(sys.version_info[:2], sys.base_prefix)' 2>/dev/null; }

# What the environment was made of and for; scripts in it name its folder, so a checkout that was moved needs a new one.
stamp() {
    identity "$ENVIRONMENT/bin/python" && echo "$PWD" && cksum requirements.lock pyproject.toml setup/*.sh
}

is_ready() { [ -f "$READY" ] && [ "$(stamp)" = "$(cat "$READY")" ]; }

# An environment stays with its Python until another is asked for, or this one does not start any more.
is_wanted() { [ -z "$ASKED" ] || [ "$(identity "$ENVIRONMENT/bin/python")" = "$(identity "$PYTHON")" ]; }

get_uv() {
    if [ -x "$UV" ]; then return; fi
    rm -rf "$TOOLS" "$TOOLS.partial"
    if uv --version >/dev/null 2>&1; then
        mkdir -p "$TOOLS/bin"
        ln -s "$(command -v uv)" "$UV"
        return
    fi
    pip_of=$(python_with_pip)
    if [ -n "$pip_of" ]; then
        "$pip_of" -m pip --quiet install --target "$TOOLS.partial" uv ||
            stop "pip could not fetch uv (its words are above)" "make setup again when there is a network"
        mv "$TOOLS.partial" "$TOOLS"
    elif [ -n "$PYTHON" ]; then
        stop "$PYTHON has no pip, which fetches the packages" "$(packages python3-pip python3-pip)"
    else
        stop "no Python 3.11, 3.12 or 3.13 starts here, and no pip to fetch one with" \
            "$(packages "python3 python3-pip" "python3.13 python3-pip"), or PYTHON=/path/to/python3.13"
    fi
}

# The chosen Python, or any other of the PATH, however old: uv does not care which pip fetches it.
python_with_pip() {
    if has_pip "$PYTHON"; then echo "$PYTHON" && return; fi
    IFS=:
    for folder in $PATH; do
        for name in python3 python; do
            if has_pip "$folder/$name"; then echo "$folder/$name" && return; fi
        done
    done
}

has_pip() { [ -x "$1" ] && "$1" -m pip --version >/dev/null 2>&1; }

packages() { # DEBIAN'S FEDORA'S
    echo "apt install $1 (Debian, Ubuntu), dnf install $2 (Fedora), brew install python@3.13 (macOS)"
}

get_python() {
    say "no Python 3.11, 3.12 or 3.13 starts here: uv fetches 3.13"
    "$UV" python install 3.13 ||
        stop "uv could not fetch Python 3.13 (its words are above)" \
            "$(packages python3 python3.13), or PYTHON=/path/to/python3.13"
    PYTHON=$(sh setup/python.sh "$("$UV" python find 3.13)")
}

# TensorFlow, pandas and others are linked against it, and a minimal system such as a container of Ubuntu may lack it.
check_library() {
    "$PYTHON" -c 'import ctypes, sys; sys.platform != "linux" or ctypes.CDLL("libstdc++.so.6")' 2>/dev/null ||
        stop "libstdc++.so.6 is missing, which the packages need" \
            "apt install libstdc++6 (Debian, Ubuntu), dnf install libstdc++ (Fedora)"
}

make_environment() {
    rm -rf "$ENVIRONMENT"
    "$UV" venv --quiet --python "$PYTHON" "$ENVIRONMENT"
    set -- --quiet --python "$ENVIRONMENT/bin/python" --no-deps
    "$UV" pip install "$@" --require-hashes --build-constraints requirements.lock -r requirements.lock &&
        "$UV" pip install "$@" --no-build-isolation -e . ||
        stop "the packages could not be installed (uv's words are above)" \
            "make setup again when there is a network; what was fetched is kept"
    stamp >"$READY.partial"
    mv "$READY.partial" "$READY"
}

if [ -z "$ASKED" ] && is_ready; then exit; fi
PYTHON=$(sh setup/python.sh "$ASKED")
if is_ready && is_wanted; then exit; fi
get_uv
if [ -z "$PYTHON" ]; then get_python; fi
check_library
say "installing the packages of requirements.lock into $ENVIRONMENT for $("$PYTHON" --version) ($PYTHON)"
make_environment
