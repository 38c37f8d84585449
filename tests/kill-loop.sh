#!/bin/sh
# Kills `gitcast apply` at random moments, again and again, and counts what is there in the end.
#
#   tests/kill-loop.sh [SECONDS] [GITCAST]
#
# Each round: a fresh project and a fresh stand-in, four posts (a draft, a direct post, an upload in chunks, a draft
# whose requests fail at random), a SIGKILL every so many milliseconds until the run lives to its end. Then the stand-in
# must show each post once, and `doctor` must find the ledger whole.
set -eu

seconds=${1:-180}
gitcast=$(realpath "${2:-target/debug/gitcast}")
fixtures=$(realpath "$(dirname "$0")/fixtures/media")
begun=$(date +%s)
rounds=0 kills=0 faults=0 seed=${SEED:-$(date +%N | sed 's/^0*//')}
server= work=

cleanup() {
    if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; fi
    if [ -n "$work" ]; then rm -rf "$work"; fi
}
trap cleanup EXIT

# The next number below $1, from a small generator, so that SEED repeats a run.
random() {
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    number=$((seed / 65536 % $1))
}

say() { printf '%s\n' "$*"; }
fail() { say "FAILED in round $rounds, SEED=$seed: $*"; trap - EXIT; kill "$server"; say "left: $work"; exit 1; }

new_project() {
    work=$(mktemp -d) && cd "$work" && mkdir content home
    export HOME="$work/home" TIKTOK_CLIENT_KEY=rehearsal-key TIKTOK_CLIENT_SECRET=rehearsal-secret
    printf 'version: 1\ntimezone: Europe/Berlin\naccounts:\n' >content/gitcast.yaml
    printf '  drafts:\n    platform: tiktok\n    mode: draft\n  direct:\n    platform: tiktok\n    mode: direct\n' >>content/gitcast.yaml
    "$gitcast" rehearse --listen 127.0.0.1:0 >url 2>server.log &
    server=$!
    until [ -s url ]; do sleep 0.02; done
    url=$(head -n 1 url)
    sed -i "s|    mode|    endpoint: $url\n    mode|" content/gitcast.yaml
    for account in drafts direct; do
        curl -sf -X POST "$url/rehearsal/grants/$account" | "$gitcast" auth import "$account" - >/dev/null 2>&1
    done
    for id in a b c d; do
        cp "$fixtures/good.mp4" content/$id.mp4
        printf '\000\000\000\011free%s' $id >>content/$id.mp4
        case $id in
        b) printf 'id: b\ntext: b\nmedia:\n  - file: b.mp4\nto:\n  direct:\n    privacy: self_only\n' ;;
        *) printf 'id: %s\nmedia:\n  - file: %s.mp4\nto:\n  drafts:\n' $id $id ;;
        esac >content/$id.yaml
    done
    # A `free` box up to 66,000,000 bytes: several chunks.
    size=$((66000000 - $(stat -c %s content/c.mp4)))
    printf "\\$(printf %03o $((size >> 24)))\\$(printf %03o $((size >> 16 & 255)))\\$(printf %03o $((size >> 8 & 255)))\\$(printf %03o $((size & 255)))free" >>content/c.mp4
    truncate -s 66000000 content/c.mp4
}

add_faults() {
    for operation in inbox_init video_init upload upload status token; do
        random 3
        [ "$number" = 0 ] || continue
        random 4
        case $number in
        0) action='{"kind":"cut_before_read"}' ;;
        1) action='{"kind":"effect_then_cut"}' ;;
        2) action='{"kind":"status","code":503,"body":null}' ;;
        *) action='{"kind":"garbage_body"}' ;;
        esac
        random 4
        curl -sf -o /dev/null -X POST "$url/rehearsal/faults" \
            -d "{\"operation\":\"$operation\",\"nth\":$((number + 1)),\"action\":$action}"
        faults=$((faults + 1))
    done
}

while [ $(($(date +%s) - begun)) -lt "$seconds" ]; do
    rounds=$((rounds + 1))
    new_project
    add_faults
    runs=0 longest=200
    while :; do
        runs=$((runs + 1))
        [ $runs -le 200 ] || fail "no end"
        "$gitcast" apply --auto-approve --max-wait 30s >out 2>err &
        child=$!
        random $longest
        # Runs get longer, so that the round comes to an end.
        longest=$((longest + 100))
        sleep "$(printf '%d.%03d' $((number / 1000)) $((number % 1000)))"
        if kill -KILL $child 2>/dev/null; then
            kills=$((kills + 1))
        fi
        code=0
        wait $child 2>/dev/null || code=$?
        case $code in
        0) break ;;
        5 | 137) ;;
        *) fail "exit $code: $(cat out err)" ;;
        esac
    done
    live=$(curl -sf "$url/rehearsal/publications" | grep -oE '"status":"(PUBLISH_COMPLETE|SEND_TO_USER_INBOX)"' | wc -l)
    [ "$live" = 4 ] || fail "$live posts are live, not 4"
    "$gitcast" doctor >/dev/null || fail "the ledger is not whole"
    kill "$server" && wait "$server" 2>/dev/null || true
    cd / && rm -rf "$work"
    server= work=
done
say "rounds $rounds, kills $kills, faults $faults, posts $((rounds * 4)), twice 0, lost 0"
