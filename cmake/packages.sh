# Sourced by the two set-up scripts: installs Debian packages that are missing, as root or by sudo, and says what to
# do where neither works.
#   need_packages g++ python3-venv ...
need_packages() {
  missing=""
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  if ! command -v apt-get >/dev/null 2>&1; then
    echo "pensee: this is no Debian; make sure that there are the equivalents of:$missing" >&2
    return 0
  fi
  as_root=""
  if [ "$(id -u)" != 0 ]; then
    as_root=sudo
    command -v sudo >/dev/null 2>&1 || { echo "pensee: please install (as root):$missing" >&2; return 1; }
  fi
  echo "pensee: installing$missing" >&2
  $as_root apt-get update -qq
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

# make_venv FOLDER: a virtual environment of the system's Python, made once.
make_venv() {
  [ -x "$1/bin/python" ] || python3 -m venv "$1"
  "$1/bin/python" -m pip install -q --disable-pip-version-check --upgrade pip
}
