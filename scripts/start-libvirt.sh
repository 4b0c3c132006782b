#!/bin/bash
# Makes sure that qemu:///system answers. A libvirt that runs is left as it is; systemd is asked
# where it is in charge; else virtlogd and libvirtd are started by hand, with a configuration of
# their own under /run/holdfast/libvirt: nothing in /etc/libvirt is touched.
#
#   scripts/start-libvirt.sh           start what is missing
#   scripts/start-libvirt.sh stop      stop what an earlier start by hand started; guests live on
set -euo pipefail
own=/run/holdfast/libvirt

# Whether such a process lives; one that is dead and not reaped yet does not.
lives() { ps -C "$1" -o stat= | grep -qv '^Z'; } # PROGRAM[,PROGRAM]
answers() { timeout 10 virsh -q -c qemu:///system version >/dev/null 2>&1; }

# The process of a pid file, if it still is the program that we started.
running() { # PROGRAM
  local pid
  pid=$(cat "$own/$1.pid" 2>/dev/null) || return 1
  [ "$(readlink "/proc/$pid/exe" 2>/dev/null)" = "$(readlink -f "$(command -v "$1")")" ] || return 1
  echo "$pid"
}

stop() {
  local program pid
  for program in libvirtd virtlogd; do
    pid=$(running "$program") || continue
    kill "$pid"
    # A new start fails while the old process still holds its pid file.
    for _ in $(seq 100); do
      [ -d "/proc/$pid" ] || break
      sleep 0.1
    done
  done
  rm -rf "$own"
}

# The console logs of guests go through virtlogd, so it comes first.
start_by_hand() {
  mkdir -p "$own"
  chmod 711 "${own%/*}" "$own"
  if [ ! -S /run/libvirt/virtlogd-sock ] || ! lives virtlogd; then
    virtlogd -d -p "$own/virtlogd.pid"
  fi
  give_kvm_its_group
  # Without polkit nobody but root may use the socket.
  cat > "$own/libvirtd.conf" <<CONF
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_group = "root"
unix_sock_rw_perms = "0700"
log_outputs = "3:file:$own/libvirtd.log"
CONF
  # setsid: the daemons outlive the terminal that starts them.
  setsid libvirtd -d -f "$own/libvirtd.conf" -p "$own/libvirtd.pid"
}

# libvirt asks QEMU what it can, and then checks whether QEMU's user may use /dev/kvm. Where only
# root may, it takes each answer for outdated and asks again: seconds at every call. On Debian and
# Ubuntu /dev/kvm belongs to the group kvm, which QEMU's user is in; without udev it may belong to
# another group, so it gets that one back.
give_kvm_its_group() {
  [ -c /dev/kvm ] && getent group kvm > /dev/null || return 0
  [ "$(stat -c %G /dev/kvm)" = kvm ] || chgrp kvm /dev/kvm
}

start() {
  answers && return
  command -v virsh >/dev/null || { echo "libvirt is not installed" >&2; exit 1; }
  if [ -d /run/systemd/system ]; then
    systemctl start libvirtd.service 2>/dev/null || systemctl start virtqemud.service
  elif ! lives libvirtd,virtqemud; then
    # One that is there but busy only needs patience.
    start_by_hand
  fi
  for _ in $(seq 150); do
    answers && return
    sleep 0.2
  done
  echo "libvirt does not answer at qemu:///system after 30 s" >&2
  tail -n 5 "$own/libvirtd.log" >&2 2>/dev/null || true
  exit 1
}

case ${1:-start} in
  start) start ;;
  stop) stop ;;
  *) sed -n 's/^#   //p' "$0" >&2; exit 2 ;;
esac
