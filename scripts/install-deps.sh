#!/bin/bash
# Installs what building, running and testing Holdfast needs on Debian 12, 13 or Ubuntu; as root.
# Says in one line what it installs; with everything there it only looks, well under a second.
set -euo pipefail

# What must be there, and the package that brings it.
missing=()
need() { # COMMAND-OR-FILE PACKAGE...
  local wanted=$1
  shift
  case $wanted in
    /*) compgen -G "$wanted" >/dev/null && return ;;
    *) command -v "$wanted" >/dev/null && return ;;
  esac
  missing+=("$@")
}
need cc gcc libc6-dev
need c++ g++
need pkg-config pkg-config
need '/usr/lib/*/pkgconfig/libvirt.pc' libvirt-dev
need qemu-system-x86_64 qemu-system-x86
need qemu-img qemu-utils
need qemu-nbd qemu-utils
need virsh libvirt-clients
need libvirtd libvirt-daemon libvirt-daemon-system
need '/usr/lib/*/libvirt/connection-driver/libvirt_driver_qemu.so' libvirt-daemon-driver-qemu \
  libvirt-daemon-system
need e2fsck e2fsprogs
need cpio cpio
need zstd zstd
need xz xz-utils
need curl curl ca-certificates
need jq jq
need setsid util-linux
need pgrep procps
need '/usr/lib/python3*/ensurepip/__init__.py' python3-venv

[ ${#missing[@]} -eq 0 ] && exit 0
[ "$(id -u)" = 0 ] || { echo "install-deps: ${missing[*]} are missing; run as root" >&2; exit 1; }
command -v apt-get >/dev/null ||
  { echo "install-deps: only Debian and Ubuntu are known; install ${missing[*]}" >&2; exit 1; }
mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)

log=$(mktemp)
policy=/usr/sbin/policy-rc.d
own_policy=
cleanup() {
  [ -z "$own_policy" ] || rm -f "$policy"
  rm -f "$log"
}
trap cleanup EXIT
apt() { DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@" < /dev/null > "$log" 2>&1; }
fail() {
  tail -n 15 "$log" >&2
  echo "install-deps: $1" >&2
  exit 1
}

# Without systemd a package's daemons must not be started by its scripts. A policy that somebody
# else put in place stays as it is.
if [ ! -d /run/systemd/system ] && [ ! -e "$policy" ]; then
  own_policy=yes
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod 755 "$policy"
fi

# A machine whose qemu-utils came from backports cannot take the rest of QEMU from the release.
# The source file is derived from the machine's own: same mirror, same keyring.
add_backports() {
  local codename uri keyring=
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  [ "$(. /etc/os-release && echo "$ID")" = debian ] && [ -n "$codename" ] || return 1
  local sources=(/etc/apt/sources.list.d/*.sources) lists=(/etc/apt/sources.list
    /etc/apt/sources.list.d/*.list)
  uri=$(awk -v suite="$codename" '
    FNR == 1 { if (hit) exit; uri = key = "" }
    /^URIs:/ { uri = $2 } /^Suites:/ { for (i = 2; i <= NF; i++) if ($i == suite) hit = 1 }
    /^Signed-By:/ { key = $2 } /^$/ { if (hit) exit; uri = key = "" }
    END { if (hit) print uri, key }' "${sources[@]}" 2>/dev/null || true)
  [ -n "$uri" ] || uri=$(sed -n "s/^deb  *\(\[[^]]*\] *\)\?\([^ ]*\) $codename .*/\2/p" \
    "${lists[@]}" 2>/dev/null | head -n 1 || true)
  [ -n "$uri" ] || return 1
  read -r uri keyring <<< "$uri"
  {
    echo "# Added by Holdfast's scripts/install-deps.sh, for QEMU and libvirt."
    printf 'Types: deb\nURIs: %s\nSuites: %s-backports\nComponents: main\n' "$uri" "$codename"
    [ -z "$keyring" ] || echo "Signed-By: $keyring"
  } > /etc/apt/sources.list.d/holdfast-backports.sources
  echo "install-deps: added $codename-backports of $uri"
  backports=$codename-backports
}

echo "install-deps: installing ${missing[*]}"
apt update || fail "apt-get update failed: is the package mirror reachable?"
backports=
# --no-remove: nothing that the machine has is given up for what it lacks.
if ! apt install --no-install-recommends --no-remove --simulate "${missing[@]}"; then
  add_backports || fail "these packages cannot be installed together"
  apt update || fail "apt-get update failed with backports added"
  # QEMU and libvirt as a whole must be of one suite.
  mapfile -t missing < <(printf '%s\n' "${missing[@]}" qemu-system-x86 qemu-system-common \
    qemu-utils qemu-block-extra | sort -u)
fi
apt install --no-install-recommends --no-remove ${backports:+-t "$backports"} "${missing[@]}" ||
  fail "apt-get install failed"
