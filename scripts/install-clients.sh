#!/bin/bash
# Installs the clients that the tests drive the service with, each in a virtual environment of its
# own below target/clients: the newest Azure CLI, an older one with long-term support, the Azure SDK
# for Python with pytest, and schemathesis. With everything there it only compares checksums.
#
#   scripts/install-clients.sh                 install what is missing or outdated
#   scripts/install-clients.sh --newer         look for newer versions of what the .in files name
#
# Versions are pinned in tests/clients/requirements: NAME.in says what is wanted, NAME.txt the
# exact version of everything that it needs, for every Python from 3.11 on.
set -euo pipefail
cd "$(dirname "$0")/.."
clients=$(realpath -m "${CARGO_TARGET_DIR:-target}/clients")
requirements=tests/clients/requirements
uv_version=0.13.9
mkdir -p "$clients"
exec 9> "$clients/lock"
flock 9

# A machine's own Python, not one that a version manager put before it: pip and libvirt's tools may
# be set up for that one alone.
python=/usr/bin/python3
[ -x "$python" ] || python=$(command -v python3)

# Where a proxy signs for the registry, uv has to be told what pip already knows.
certificates=$("$python" -m pip config get global.cert 2>/dev/null || true)
[ -z "${PIP_CERT:-$certificates}" ] || export SSL_CERT_FILE=${PIP_CERT:-$certificates}
export UV_NO_PROGRESS=1 UV_PYTHON_DOWNLOADS=never UV_CACHE_DIR=$clients/cache

# uv installs in seconds what takes pip minutes.
uv() { "$clients/uv-$uv_version/bin/uv" --quiet "$@"; }
if [ ! -x "$clients/uv-$uv_version/bin/uv" ]; then
  rm -rf "$clients"/uv-*
  "$python" -m venv "$clients/uv-new"
  "$clients/uv-new/bin/pip" install --quiet --disable-pip-version-check "uv==$uv_version"
  mv "$clients/uv-new" "$clients/uv-$uv_version"
fi

if [ "${1:-}" = --newer ]; then
  for wanted in "$requirements"/*.in; do
    uv pip compile --universal --python-version 3.11 --upgrade --no-header --no-annotate \
      "$wanted" --output-file "${wanted%.in}.txt" > /dev/null
  done
  echo "install-clients: $requirements/*.txt are as new as their .in files allow"
fi

install() { # NAME
  local place=$clients/$1 stamp begin=$SECONDS
  stamp="$(sha256sum < "$requirements/$1.txt") $("$python" --version)"
  [ "$(cat "$place/stamp" 2>/dev/null)" != "$stamp" ] || return 0
  rm -rf "$place"
  uv venv --python "$python" "$place"
  uv pip install --python "$place/bin/python" --requirement "$requirements/$1.txt"
  # Python compiles a program when it first runs: now, not within the first command of a test.
  if [ -x "$place/bin/az" ]; then
    AZURE_CONFIG_DIR=$place/warm AZURE_CORE_COLLECT_TELEMETRY=false \
      "$place/bin/az" backup protection --help > /dev/null
    rm -rf "$place/warm"
  fi
  echo "$stamp" > "$place/stamp"
  echo "install-clients: $1 in $((SECONDS - begin)) s, $(du -sh "$place" | cut -f1)"
}
install az-newest
install az-lts
install sdk
install schemathesis
