# For the benchmarks that measure through a console: sourced, with $work, a folder of its own, and $port of the console, $console.
# One source, named "bench", one console at a time.

# seconds NAME COMMAND…: prints the wall clock of a command that must succeed
seconds() {
  local name=$1 began ended
  shift
  sync
  began=$(date +%s.%N)
  "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
  ended=$(date +%s.%N)
  printf '%-44s %8.1f s\n' "$name" "$(echo "$ended $began" | awk '{print $1 - $2}')"
}

# stored NAME FOLDER: prints how much lies in it
stored() { printf '%-44s %8.0f MB\n' "$1" "$(du -sb "$2" | awk '{print $1 / 1e6}')"; }

# console NAME CLASS SOURCE [TIERS]: starts a console with data and tiers of its own; SOURCE is what the source has beyond its name
console() {
  local name=$1 tiers="" tier
  for tier in ${4:-one}; do
    tiers="$tiers${tiers:+, }{ \"Name\": \"$tier\", \"Store\": \"file://$work/$name-$tier\", \"KeyFile\": \"$work/keys/repository.key\" }"
  done
  config=$work/$name.json
  cat >"$config" <<CONF
{ "DrConsole": { "DataDirectory": "$work/$name-data", "Tiers": [ $tiers ], "Health": { "Interval": "00:10:00" }, ${classes:-}
  "Sources": [ { "Name": "bench", "Class": "$2", "Workspace": "bench", $3 } ] } }
CONF
  out/drconsole serve --config "$config" --urls "http://127.0.0.1:$console" >"$work/$name.log" 2>&1 &
  serve=$!
  until curl -fs "http://127.0.0.1:$console/readyz" >/dev/null; do
    kill -0 "$serve" 2>/dev/null || { cat "$work/$name.log" >&2; exit 1; }
    sleep 0.5
  done
  token=$(out/drconsole token add bench --role Viewer --config "$config" 2>/dev/null)
}

close() {
  [ -n "${serve:-}" ] || return 0
  kill -CONT "$serve" 2>/dev/null || true
  kill -TERM "$serve" 2>/dev/null || true
  wait "$serve" || true
  serve=
}

open_runs() {
  for state in queued running; do
    curl -fs -H "Authorization: Bearer $token" "http://127.0.0.1:$console/api/v1/runs?state=$state&limit=50"
  done | jq -s '[.[] | .[]] | length'
}

# Validations and the upkeep of tiers come by themselves: nothing is measured beside them.
settle() {
  until [ "$(open_runs)" = 0 ]; do sleep 0.5; done
}

backup() { out/drconsole backup bench --config "$config"; }

newest() { out/drconsole restore-points --config "$config" --json | jq -r '.[0].id'; }

# The first backup of all: by hand, unless the console's schedule was faster.
first() {
  until [ "$(newest)" != null ]; do backup || sleep 0.2; done
}

# The log of the restore that was measured last, with the times at which its phases began.
phases() {
  grep -E '^[0-9]{2}:[0-9]{2}:[0-9]{2} ' "$work/log" | sed 's/^/    /'
}
