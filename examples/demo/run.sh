#!/usr/bin/env bash
# Starts four fake providers and Envoy with envoy/envoy.yaml, shows the gateway at work, and stays until Ctrl-C.
# RUN_ONCE=1 ends after the show. The status is 0 only if everything was as expected.
# `make run` builds what is needed and then calls this.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly envoy=${ENVOY:-.tools/venv/bin/envoy}
readonly gateway=http://127.0.0.1:10000 admin=http://127.0.0.1:9901
readonly run=target/run
pids=()

say() { printf '\n\e[1m%s\e[0m\n' "$*"; }
fail() { printf '\e[31mNot as expected: %s\e[0m\n' "$*" >&2; exit 1; }

start() { # name, command: in a session of its own, so that Ctrl-C reaches only this script
  local name=$1
  shift
  setsid nohup "$@" </dev/null >"$run/$name.out" 2>"$run/$name.err" &
  pids+=($!)
}

stop() {
  trap - EXIT INT TERM HUP
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
}

await() { # what, command: until it succeeds, or a child has died
  for _ in $(seq 150); do
    "${@:2}" && return
    for pid in "${pids[@]}"; do
      kill -0 "$pid" 2>/dev/null || { tail -n 5 "$run"/*.err >&2; fail "$1 has ended (are the ports 9901 and 10000 to 10004 free?)"; }
    done
    sleep 0.1
  done
  tail -n 5 "$run"/*.err >&2
  fail "$1 is not ready after 15 s"
}

fakes_ready() { grep -qx ready "$run/fake-provider.out"; }
envoy_ready() { [[ $(curl -s --max-time 1 "$admin/ready") == LIVE ]]; }
recorded() { grep '"request_model":"yard/large"' "$run/envoy.out" >"$run/answer"; }

# Prints a request as a command to copy, then the answer: the headers that matter, and each line when it came.
ask() { # path, body
  local arguments=(-sS -N -i "$gateway$1" -d "$2") start=${EPOCHREALTIME/./} head=1 line
  printf '\e[36m$ curl -sN -i %s%s -d '\''%s'\''\e[0m\n' "$gateway" "$1" "$2"
  curl --max-time 30 "${arguments[@]}" | while IFS= read -r line || [[ $line ]]; do
    line=${line%$'\r'}
    printf '%s\n' "$line" >&3
    if ((head)); then
      [[ $line ]] || head=0
      [[ $line =~ ^(HTTP/|content-type|x-modelyard|x-generation) ]] && printf '          %s\n' "$line"
    elif [[ $line ]]; then
      printf '%6d ms %s\n' $(((${EPOCHREALTIME/./} - start) / 1000)) "$(shorten "$line")"
    fi
  done 3>"$run/answer" || fail "no answer from $gateway"
}

shorten() { # a chunk of a stream to what is new in it
  if [[ $1 =~ ^data:.*(\"delta\":\{[^}]*\}) ]]; then printf 'data: {… %s …}' "${BASH_REMATCH[1]}"; else printf '%s' "$1"; fi
}

expect() { grep -qE -- "$1" "$run/answer" || { cat "$run/answer" >&2; fail "no /$1/ in the answer"; }; }

trap stop EXIT
trap 'exit 130' INT TERM HUP
rm -rf "$run"
mkdir -p "$run"

start fake-provider target/debug/fake-provider --no-record \
  --listen flaky=127.0.0.1:10001,status=503 \
  --listen busy=127.0.0.1:10002,status=429 \
  --listen steady=127.0.0.1:10003,interval=100 \
  --listen workshop=127.0.0.1:10004
await 'the fake provider' fakes_ready
STEADY_API_KEY=sk-demo start envoy "$envoy" -c envoy/envoy.yaml --config-yaml "$(cat envoy/stats_tags.yaml)" \
  --disable-hot-restart --concurrency 2 --file-flush-interval-msec 100 \
  --log-level warn --component-log-level wasm:info
await Envoy envoy_ready

say '1. A plain answer: an alias, one endpoint, the provider'\''s own bytes.'
ask /v1/chat/completions '{"model": "small", "messages": [{"role": "user", "content": "Hi"}]}'
expect '^HTTP/1.1 200'
expect '^x-modelyard-provider: steady$'
expect '"content":"Hello'

say '2. A streamed answer after a failing provider: flaky says 503, steady streams (chunks shortened).'
ask /v1/chat/completions '{"model": "yard/resilient", "stream": true, "messages": [{"role": "user", "content": "Hi"}]}'
expect '^HTTP/1.1 200'
expect '^x-modelyard-provider: steady$'
expect '^x-modelyard-attempts: 2$'
expect '^data: \[DONE\]$'

say '3. The same in OpenRouter'\''s form, with the price: 503, then 429, then an answer.'
ask /api/v1/chat/completions '{"model": "yard/large", "messages": [{"role": "user", "content": "Hi"}]}'
expect '^HTTP/1.1 200'
expect '^x-modelyard-attempts: 3$'
expect '"cost":0\.0'

say '4. What Envoy counted: tokens, money and fallbacks as labelled metrics.'
printf '\e[36m$ curl -s %s/stats/prometheus | grep -E '\''^modelyard_(tokens|cost|fallbacks)'\''\e[0m\n' "$admin"
curl -sS "$admin/stats/prometheus" | grep -E '^modelyard_(tokens|cost|fallbacks)' | tee "$run/answer" || true
expect '^modelyard_tokens\{tenant="default",model="yard/resilient",provider="steady",token_type="output",source="reported"\} [1-9]'
expect '^modelyard_fallbacks\{model="yard/large",provider="busy",reason="status_429"\} 1$'

say '5. Why it went as it did: the record of the last request, from the access log.'
await 'the access log' recorded
printf '\e[36m$ grep yard/large %s/envoy.out\e[0m\n' "$run"
cat "$run/answer"
expect '"outcome":"status_5xx".*"outcome":"status_429".*"outcome":"ok"'

if [[ ${RUN_ONCE:-} == 1 ]]; then
  say 'All as expected.'
  exit 0
fi
cat <<END

It stays up until Ctrl-C. What to try:
  OpenAI's SDK      base_url=$gateway/v1        api_key=anything    model=small
  OpenRouter's SDK  base_url=$gateway/api/v1    api_key=anything    model=yard/large
  Models            curl $gateway/v1/models
  A wildcard        model "workshop/whatever-you-like" goes to the provider workshop as "whatever-you-like"
  Your own order    "provider": {"order": ["steady"]} in the request, or "models": ["workshop/a", "small"]
  Another document  edit a copy of envoy/gateway.yaml, raise its version_info, mv it over the old one: no restart
  Envoy             $admin (stats, clusters), logs in $run/
END
trap 'exit 0' INT TERM HUP
wait -n || true
fail "Envoy or the fake provider has ended: see the logs in $run/"
