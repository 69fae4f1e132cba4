#!/bin/sh
# Prints the Python that the environment is made with: PYTHON where it is given, or the newest supported one on the PATH
# that really starts (a name may be a shim of pyenv or asdf for a Python that is not there). Nothing where there is none.
#
#   sh setup/python.sh [PYTHON]       why a PYTHON is refused is on stderr, with exit code 1
set -eu

SUPPORTED="3.13 3.12 3.11"
REFUSED="bitlens runs on CPython 3.11, 3.12 and 3.13 (64 bits)
  try: make setup PYTHON=/path/to/python3.13, or make setup, which takes the newest one here"

# Version, kind and path of an interpreter in one line; nothing if it does not start. The kind is cpython64 if the locked
# packages fit. The Python of a virtual environment answers for the one behind it, a shim for what it starts.
describe() {
    "$1" -c '
import platform, struct, sys, sysconfig
kind = platform.python_implementation().lower() + str(8 * struct.calcsize("P"))
kind += "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
path = getattr(sys, "_base_executable", None) or sys.executable
print("%d.%d %s %s" % (sys.version_info[0], sys.version_info[1], kind, path))
' 2>/dev/null </dev/null || true
}

is_supported() { # VERSION KIND
    case " $SUPPORTED " in *" $1 "*) [ "$2" = cpython64 ] ;; *) false ;; esac
}

refuse() { # WHAT
    printf 'make setup: %s; %s\n' "$1" "$REFUSED" >&2
    exit 1
}

asked_for() { # PYTHON
    read -r version kind path <<EOT
$(describe "$1")
EOT
    [ -n "$version" ] || refuse "PYTHON=$1 does not start as a Python"
    is_supported "$version" "$kind" || refuse "PYTHON=$1 is Python $version ($kind)"
    echo "$path"
}

all_described() {
    IFS=:
    for folder in $PATH; do
        for name in python3.13 python3.12 python3.11 python3 python; do
            if [ -f "$folder/$name" ] && [ -x "$folder/$name" ]; then describe "$folder/$name"; fi
        done
    done
}

newest() {
    described=$(all_described)
    for wanted in $SUPPORTED; do
        while read -r version kind path; do
            if [ "$version" = "$wanted" ] && is_supported "$version" "$kind"; then
                echo "$path"
                return
            fi
        done <<EOT
$described
EOT
    done
}

if [ -n "${1:-}" ]; then asked_for "$1"; else newest; fi
