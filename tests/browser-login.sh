#!/bin/sh
# Logs in with a real browser: gitcast opens it, Chromium shows the stand-in's page, somebody clicks, the browser comes back.
#
#   tests/browser-login.sh [GITCAST] [SCREENSHOT]
#
# Needs chromium, chromedriver, curl and script. Exits with 77 where one of them is missing: nothing was tested then.
set -eu

gitcast=$(realpath "${1:-target/debug/gitcast}")
screenshot=${2:-}
work=$(mktemp -d)
started=

cleanup() {
    for pid in $started; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap cleanup EXIT

fail() { printf 'FAILED: %s\n' "$*" >&2; tail -n 30 "$work"/*.log >&2 2>/dev/null || true; exit 1; }

for tool in chromium chromedriver curl script; do
    command -v $tool >/dev/null || { printf 'skipped: %s is not installed\n' $tool; exit 77; }
done

# Waits until the file has a line, ten seconds at most.
await() {
    tries=0
    until [ -s "$1" ]; do
        tries=$((tries + 1))
        [ $tries -le 200 ] || fail "$2"
        sleep 0.05
    done
}

cd "$work" && mkdir content home
export HOME="$work/home" TIKTOK_CLIENT_KEY=rehearsal-key TIKTOK_CLIENT_SECRET=rehearsal-secret
unset CI
printf 'version: 1\naccounts:\n  brand:\n    platform: tiktok\n' >content/gitcast.yaml
"$gitcast" rehearse --listen 127.0.0.1:0 >url 2>rehearse.log &
started="$started $!"
await url "the stand-in does not start"
printf '    endpoint: %s\n' "$(head -n 1 url)" >>content/gitcast.yaml

chromedriver --port=0 >driver.log 2>&1 &
started="$started $!"
tries=0
until port=$(sed -n 's/.*successfully on port \([0-9]*\).*/\1/p' driver.log) && [ -n "$port" ]; do
    tries=$((tries + 1))
    [ $tries -le 200 ] || fail "chromedriver does not start"
    sleep 0.05
done

# One WebDriver command: method, path, body. The answer's value, without its wrapping.
driver() {
    curl -sS --max-time 60 -X "$1" -H 'Content-Type: application/json' ${3:+-d "$3"} "http://127.0.0.1:$port$2"
}
options='"--headless","--no-sandbox","--disable-gpu","--disable-quic","--no-first-run","--disable-background-networking","--disable-component-update","--disable-sync","--no-proxy-server"'
session=$(driver POST /session "{\"capabilities\":{\"alwaysMatch\":{\"goog:chromeOptions\":{\"args\":[$options]}}}}" |
    sed -n 's/.*"sessionId":"\([^"]*\)".*/\1/p')
[ -n "$session" ] || fail "no browser session"

# What gitcast opens as the user's browser: it hands the address on.
printf '#!/bin/sh\nprintf "%%s\\n" "$1" >%s/opened\n' "$work" >browser && chmod +x browser
BROWSER="$work/browser" script -qefc "'$gitcast' auth login brand" /dev/null >login.log 2>&1 &
login=$!
await opened "gitcast opened no browser"

driver POST "/session/$session/url" "{\"url\":\"$(head -n 1 opened)\"}" >visit.log
button=$(driver POST "/session/$session/element" '{"using":"css selector","value":"button[value=allow]"}' |
    sed -n 's/.*"element-[^"]*":"\([^"]*\)".*/\1/p')
[ -n "$button" ] || fail "the page has no button to allow it"
driver POST "/session/$session/element/$button/click" '{}' >click.log
wait $login || fail "the login failed"
title=$(driver GET "/session/$session/title")
if [ -n "$screenshot" ]; then
    driver GET "/session/$session/screenshot" | sed 's/^{"value":"//;s/"}$//' | base64 -d >"$screenshot"
fi
driver DELETE "/session/$session" >/dev/null
case $title in
*"You are logged in"*) ;;
*) fail "the browser shows $title" ;;
esac
"$gitcast" auth status >status.log || fail "the login is not stored"
grep -q 'logged in until' status.log || fail "the login is not stored"
printf 'passed: a browser logged in, and shows %s\n' "$title"
