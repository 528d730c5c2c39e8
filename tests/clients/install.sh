#!/usr/bin/env bash
# Installs the clients that tests run against gafferd, each in an environment of its own below <folder>:
#
#   g044     gaffer 0.4.4, the original's programs and library (CPython 3.6)
#   g052     gaffer 0.5.2, likewise
#   modern   websockets and schemathesis (CPython 3.11 or newer)
#   js       sockjs-client and playwright, as js/package.json has them (Node 20 or newer, with npm)
#
# and, as Debian's packages, if they are not on the PATH and this is run by root of a system with apt: Chromium, and `ip`, by which
# tests make hosts with cables between them.
#
# Usage: tests/clients/install.sh <folder>
#
# What is there already, with the same pins, is left alone. What cannot be installed, for want of an interpreter or of the
# network, is named on stderr as "MISSING: …": that is no error, as the tests skip what is not there.
set -euo pipefail

# Interpreters are looked for on the PATH, where `PYENV_VERSION` has a say, and in pyenv's folder.
# 3.6 is the last that builds pyuv 0.8 and 0.10.
OLD_VERSIONS="3.6"
# What the pins of `modern` ask for.
MODERN_VERSIONS="3.11 3.12 3.13 3.14"

# psutil past 0.7 lacks the module that gaffer imports; setuptools 58 cannot build tornado 2.4 any more; and the
# dependencies are listed whole, because what gaffer's own metadata asks for is too new for it.
OLD_TOOLS="pip<22 setuptools<58 wheel"
G044="pyuv==0.8.3 tornado==2.4 six==1.17.0 colorama==0.4.5 psutil==0.6.1 setproctitle==1.2.2 gaffer==0.4.4"
G052="pyuv==0.10.13 tornado==2.4.1 six==1.17.0 colorama==0.4.5 psutil==0.6.1 setproctitle==1.2.2 gaffer==0.5.2"
# hypothesis makes schemathesis' cases: another version makes others of the same seed.
MODERN="websockets==17.4 schemathesis==4.32.5 hypothesis==6.170.15"

# Seconds for one call of pip, npm or apt-get: extensions are built, on a slow machine too.
PATIENCE=${GAFFER_INSTALL_TIMEOUT:-300}

if [ $# -ne 1 ]; then
    echo "usage: $0 <folder>" >&2
    exit 2
fi
mkdir -p "$1"
folder=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)

missing() {
    echo "MISSING: $*" >&2
}

# Runs a command that must end in time, and that reads nothing.
bounded() {
    timeout -k 5 "$PATIENCE" "$@" </dev/null
}

# Whether this is an interpreter of that version, and not a shim that only says that it is not installed.
is_python() {
    local found
    found=$(bounded "$1" -c 'import sys, venv, ensurepip; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) && [ "$found" = "$2" ]
}

# Prints the path of the first interpreter of one of these versions.
find_python() {
    local version candidate
    for version in "$@"; do
        for candidate in python3 "python$version" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python; do
            if is_python "$candidate" "$version"; then
                # The interpreter itself: a shim would need the environment that it was found in.
                bounded "$candidate" -c 'import sys; print(sys.executable)'
                return
            fi
        done
    done
    return 1
}

# pip, told to fail soon without a network rather than to try for minutes.
pip_of() {
    local environment=$1
    shift
    bounded "$environment/bin/python" -m pip --disable-pip-version-check --retries 2 --timeout 30 "$@"
}

# Whether what an environment is run with is still there.
runs() {
    case $1 in
    */js) [ -d "$1/node_modules" ] ;;
    *) "$1/bin/python" -c '' 2>/dev/null ;;
    esac
}

# install <name> <pins> <function that fills a new environment>
install() {
    local name=$1 pins=$2 fill=$3
    local environment=$folder/$name log=$folder/$name.log
    if [ "$(cat "$environment/pins" 2>/dev/null)" = "$pins" ] && runs "$environment"; then
        return
    fi
    rm -rf "$environment"
    if "$fill" "$environment" "$pins" >"$log" 2>&1; then
        # Written last: an environment without it is half made.
        echo "$pins" >"$environment/pins"
        echo "installed: $name ($pins)"
    else
        rm -rf "$environment"
        missing "$name: its packages do not install; see $log"
    fi
}

fill_old() {
    local environment=$1
    # Words of a list that stands above.
    # shellcheck disable=SC2086
    bounded "$old_python" -m venv "$environment" &&
        pip_of "$environment" install $OLD_TOOLS &&
        pip_of "$environment" install --no-deps --no-build-isolation $2
}

fill_modern() {
    local environment=$1
    # shellcheck disable=SC2086
    bounded "$modern_python" -m venv "$environment" && pip_of "$environment" install $2
}

# In a copy, as npm writes beside the lists.
fill_js() (
    local environment=$1
    mkdir "$environment" &&
        cp "$here/js/package.json" "$here/js/package-lock.json" "$environment" &&
        cd "$environment" &&
        bounded npm ci --no-audit --no-fund --ignore-scripts --fetch-retries=2 --fetch-timeout=30000
)

# Whether there is a Node that is new enough, and npm.
is_node() {
    local major
    major=$(bounded node -p 'process.versions.node.split(".")[0]' 2>/dev/null) && [ "$major" -ge 20 ] &&
        bounded npm --version >/dev/null 2>&1
}

# install_package <program> <what answers if it is there> <packages...>
install_package() {
    local program=$1 probe=$2 log=$folder/$1.log
    shift 2
    # One whose installation was cut off is on the PATH, too.
    if bounded "$program" "$probe" >/dev/null 2>&1; then
        return
    fi
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        missing "$program: it is not on the PATH"
    elif (
        export DEBIAN_FRONTEND=noninteractive
        # Without a bound of its own: what is cut off half installed is worse than what takes long.
        bounded apt-get update && apt-get install --yes --no-install-recommends "$@" </dev/null
    ) >"$log" 2>&1; then
        echo "installed: $program (Debian's package)"
    else
        missing "$program: its package does not install; see $log"
    fi
}

install_package ip -V iproute2

# shellcheck disable=SC2086
if old_python=$(find_python $OLD_VERSIONS); then
    # At once: most of the time goes into building extensions.
    install g044 "$G044" fill_old &
    install g052 "$G052" fill_old &
    wait
else
    missing "g044, g052: there is no CPython ${OLD_VERSIONS// / or } (for instance: pyenv install 3.6.15)"
fi

# shellcheck disable=SC2086
if modern_python=$(find_python $MODERN_VERSIONS); then
    install modern "$MODERN" fill_modern
else
    missing "modern: there is no CPython of ${MODERN_VERSIONS// / or }, with its venv module"
fi

if is_node; then
    # The exact versions of all packages stand in there.
    install js "$(cd "$here/js" && cat package.json package-lock.json | sha256sum)" fill_js
    install_package chromium --version chromium fonts-dejavu-core
else
    missing "js: there is no Node 20 or newer, with npm"
fi
