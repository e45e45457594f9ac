# Shell functions that make a Python environment from a committed lock file. Sourced by panel_serve.sh and tests/run.
# Needs bash and any Python 3, or uv. Says what it does on stderr; one clear line and a non-zero return when it cannot.

say() { printf '%s\n' "$*" >&2; }
fail() { say "et-heatmap: $*"; exit 1; }

# The newest Python >= 3.12 on PATH or under pyenv; prints nothing where there is none.
find_python() {
    local candidate version best="" best_version=0 roots
    roots="${PYENV_ROOT:-$HOME/.pyenv}"
    for candidate in $(compgen -c | grep -xE 'python3(\.[0-9]+)?|python' | sort -u) "$roots"/versions/3.*/bin/python; do
        case "$candidate" in
            */*) [ -x "$candidate" ] || continue ;;
            *) candidate=$(command -v "$candidate") || continue ;;
        esac
        version=$("$candidate" -c 'import sys; v = sys.version_info; print(v[0] * 1000 + v[1] if v.releaselevel == "final" else 0)' 2>/dev/null) || continue
        # 3.14 and later are not tested yet
        if [ "$version" -ge 3012 ] && [ "$version" -le 3013 ] && [ "$version" -gt "$best_version" ]; then
            best=$candidate
            best_version=$version
        fi
    done
    printf '%s' "$best"
}

# uv on PATH, else bootstrapped into var/tools with the hash-locked wheel; prints its path.
find_uv() {
    local tools="var/tools" python
    if [ -n "${ET_UV:-}" ]; then printf '%s' "$ET_UV"; return; fi
    if command -v uv >/dev/null 2>&1; then command -v uv; return; fi
    if [ -x "$tools/bin/uv" ] && "$tools/bin/uv" --version >/dev/null 2>&1; then printf '%s' "$tools/bin/uv"; return; fi
    say "Fetching uv, the installer ..."
    mkdir -p "$tools" || fail "cannot write to $(pwd)/var: free some space or fix its permissions"
    for python in "$1" python3 python; do
        [ -n "$python" ] && command -v "$python" >/dev/null 2>&1 || continue
        rm -rf "$tools"
        if "$python" -m venv "$tools" >/dev/null 2>&1 && "$tools/bin/python" -m pip install -q --require-hashes -r .ci/uv.lock >&2; then
            printf '%s' "$tools/bin/uv"
            return
        fi
        rm -rf "$tools"
        if "$python" -m pip --version >/dev/null 2>&1 && "$python" -m pip install -q --require-hashes -r .ci/uv.lock --target "$tools" >&2; then
            printf '%s' "$tools/bin/uv"
            return
        fi
    done
    fail "cannot install uv: no network to the package registry, or this Python has neither venv nor pip (Debian: apt-get install python3-venv)"
}

# make_environment DIR LOCK [uv option]: DIR is a virtual environment with exactly LOCK and this checkout in it.
make_environment() {
    local dir=$1 lock=$2 option=${3:---compile-bytecode} stamp python uv wanted
    stamp="$dir/.et-heatmap-lock"
    wanted=$(cat "$lock" pyproject.toml .ci/environment.sh | cksum)-$(pwd)
    if [ -x "$dir/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then return; fi
    [ -w . ] || fail "cannot write to $(pwd): the environment goes there"
    python=${ET_PYTHON:-$(find_python)}
    if [ -n "${ET_PYTHON:-}" ] && ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
        fail "ET_PYTHON=$python is not a Python 3.12 or newer: unset it, or point it at one"
    fi
    uv=$(find_uv "$python") || exit 1
    [ -n "$python" ] || { say "No Python 3.12 or 3.13 found; uv fetches one ..."; python=3.13; }
    say "Making the environment in $dir from $lock ..."
    rm -f "$stamp"
    "$uv" venv -q --clear --python "$python" "$dir" || fail "cannot make $dir with Python $python (see above)"
    "$uv" pip install -q "$option" --python "$dir/bin/python" --require-hashes -r "$lock" \
        || { rm -rf "$dir"; fail "cannot install what $lock names (see above): check the network and the free space, then start again"; }
    "$uv" pip install -q --python "$dir/bin/python" --no-deps --no-build-isolation -e . \
        || { rm -rf "$dir"; fail "cannot install this checkout into $dir (see above)"; }
    # a start must not compile the product first, also where Python is told to write no bytecode
    "$dir/bin/python" -m compileall -q heatmap_app pipelines || true
    printf '%s' "$wanted" > "$stamp"
}
