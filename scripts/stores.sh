#!/bin/bash
# Runs a command beside an S3 server and an Azure Blob server of its own:
#
#   scripts/stores.sh COMMAND...
#
# The servers are moto (Python) and Azurite (Node.js), installed under target/stores in the versions
# below, listening on free ports of this machine only, keeping everything in memory. They end with
# the command. The command finds them by the environment variables that the vendors' SDKs use, and
# a bucket and a container named by HOLDFAST_STORES.
set -euo pipefail
cd "$(dirname "$0")/.."
moto=5.2.5 azurite=3.37.0
tools=${CARGO_TARGET_DIR:-target}/stores
mkdir -p "$tools"
tools=$(realpath "$tools")
log=$tools/install.log
fail() { # WHAT [LOG]
  tail -n 15 "${2:-$log}" >&2 || true
  echo "stores: $1" >&2
  exit 1
}

# What installing takes, from the distribution.
missing=()
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
if [ ${#missing[@]} -gt 0 ]; then
  [ "$(id -u)" = 0 ] || fail "${missing[*]} are missing; run as root" /dev/null
  { apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y install \
    --no-install-recommends "${missing[@]}"; } < /dev/null > "$log" 2>&1 ||
    fail "apt cannot install ${missing[*]}"
fi
if [ ! -e "$tools/moto-$moto" ]; then
  # The server's own extra would bring all of AWS; S3 and an HTTP server are enough.
  { python3 -m venv --clear "$tools/moto" &&
    "$tools/moto/bin/pip" install -q --disable-pip-version-check "moto[s3]==$moto" \
      flask flask-cors; } > "$log" 2>&1 || fail "moto cannot be installed"
  touch "$tools/moto-$moto"
fi
if [ ! -e "$tools/azurite-$azurite" ]; then
  mkdir -p "$tools/azurite"
  npm install --prefix "$tools/azurite" --silent --no-audit --no-fund "azurite@$azurite" \
    < /dev/null > "$log" 2>&1 || fail "Azurite cannot be installed"
  touch "$tools/azurite-$azurite"
fi

servers=()
stop() { [ ${#servers[@]} -eq 0 ] || kill "${servers[@]}" 2>/dev/null || true; }
trap stop EXIT
free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
# Waits until something listens on the port, as long as the server lives.
wait_for() { # PORT PID LOG
  local _
  for _ in {1..600}; do
    (exec 3<> "/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
    kill -0 "$2" 2>/dev/null || fail "a server ended" "$3"
    sleep 0.1
  done
  fail "a server does not listen" "$3"
}

s3=$(free_port)
"$tools/moto/bin/moto_server" -H 127.0.0.1 -p "$s3" < /dev/null > "$tools/moto.log" 2>&1 &
servers+=($!)
azure=$(free_port)
node "$tools/azurite/node_modules/azurite/dist/src/blob/main.js" --inMemoryPersistence \
  --silent --skipApiVersionCheck --disableTelemetry --blobHost 127.0.0.1 --blobPort "$azure" \
  < /dev/null > "$tools/azurite.log" 2>&1 &
servers+=($!)
wait_for "$s3" "${servers[0]}" "$tools/moto.log"
wait_for "$azure" "${servers[1]}" "$tools/azurite.log"

export HOLDFAST_STORES=holdfast-test
export AWS_ENDPOINT_URL=http://127.0.0.1:$s3 AWS_ALLOW_HTTP=true AWS_REGION=us-east-1
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
# The account that every Azurite has; its key is in Azurite's documentation.
export AZURE_STORAGE_ACCOUNT=devstoreaccount1
export AZURE_STORAGE_ENDPOINT=http://127.0.0.1:$azure/devstoreaccount1 AZURE_ALLOW_HTTP=true
export AZURE_STORAGE_KEY=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==
python3 scripts/make-containers.py || fail "the bucket and the container cannot be made" /dev/null

"$@"
