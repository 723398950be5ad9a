# Sourced by ./salambot and ./test: finds a Python, and has `.venv` made when it is missing or out of date. POSIX sh.
root=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0" || echo "$0")")" && pwd -P) || exit 3

fail() { # what, why, fix
  printf 'error: %s\n  why: %s\n  fix: %s\n' "$1" "$2" "$3" >&2
  exit 3
}

apt_install() { # the command that installs Debian packages, for who is asking
  if [ "$(id -u)" = 0 ]; then echo "apt-get install -y $*"; else echo "sudo apt-get install -y $*"; fi
}

# Sets $uv: the one on PATH, or nothing where there is none that works. pip installs it into .venv then.
find_uv() {
  uv=$(command -v uv 2>/dev/null) && "$uv" --version >/dev/null 2>&1 || uv=''
}

# The answer to "can this Python make a virtual environment?": yes, novenv, or its version when that does not fit.
# With a uv it needs no ensurepip.
answer_of() {
  "$1" -c '
import sys
version = sys.version_info[:2]
if not (3, 11) <= version <= (3, 13):
    sys.exit(print("%d.%d" % version))
try:
    import venv
    if not sys.argv[1]:
        import ensurepip
except ImportError:
    sys.exit(print("novenv"))
print("yes")' "$uv" 2>/dev/null
}

# Sets $python. The `python3` of PATH wins where it fits; a newer or older one does not stand in the way of one that fits.
find_python() {
  unfit='' novenv=''
  for python in python3 python3.13 python3.12 python3.11 /usr/bin/python3; do
    command -v "$python" >/dev/null 2>&1 || continue
    case $(answer_of "$python") in
      yes) return ;;
      novenv) novenv=${novenv:-$python} ;;
      '') ;; # a shim that stands for nothing
      *) unfit="$unfit $python is $(answer_of "$python")," ;;
    esac
  done
  if [ -n "$novenv" ]; then
    case $novenv in /usr/bin/python3) package=python3-venv ;; *) package=$novenv-venv ;; esac
    fail "Python cannot make a virtual environment" \
      "$(command -v "$novenv") has no ensurepip; Debian keeps it in the package $package" "$(apt_install "$package")"
  fi
  fail "no Python 3.11, 3.12 or 3.13" "${unfit:+found}${unfit:-there is no python3 on PATH}" "$(apt_install python3 python3-venv)"
}

# Whether `.venv` was made whole, here, from this very lock. The stamp is what it was made from, so comparing is exact.
is_current() {
  [ -x "$root/.venv/bin/python" ] &&
    { echo "$root"; cat "$root/$1" "$root/pyproject.toml"; } | cmp -s - "$root/.venv/made-from-$1"
}

make_venv() { # lock file
  is_current "$1" && return
  find_uv
  find_python
  "$python" "$root/tools/make_venv.py" "$root" "$1" "$uv" || exit
}
