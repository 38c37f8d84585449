#!/bin/sh
# Publishes to real servers, kills gitcast and them on the way wherever that can matter, and reads back what is there.
#
#   [REAL_SERVERS=FOLDER] tests/real-servers.sh [all|bluesky|snac] [GITCAST]
#
# Each server has a script in real-servers/. It installs one release of it below FOLDER (target/real-servers), once, and
# runs in namespaces of its own: no way out to the network, and no process that outlives it. A server that cannot be
# had here is skipped, and the last line says so. Exits with 1 where one has something else than what was posted, and
# with 77 where none ran: nothing was tested then.
set -eu

case ${1:-all} in
    all) servers='bluesky snac' ;;
    bluesky | snac) servers=$1 ;;
    *) sed -n 's/^#   //p' "$0" >&2 && exit 64 ;;
esac
here=$(realpath "$(dirname "$0")")
gitcast=$(realpath "${2:-$here/../target/debug/gitcast}")
mkdir -p "${REAL_SERVERS:-$here/../target/real-servers}"
folder=$(realpath "${REAL_SERVERS:-$here/../target/real-servers}")

none() { printf 'skipped: %s\n' "$*" && exit 77; }
for tool in ip node unshare; do
    command -v $tool >/dev/null || none "$tool is not installed"
done
apart="unshare --net --pid --fork --kill-child"
[ "$(id -u)" = 0 ] || apart="$apart --map-root-user"
$apart true 2>/dev/null || none "namespaces are not to be had"

work=$(mktemp -d) running=
cleanup() {
    # All that it started goes with it.
    [ -z "$running" ] || kill -KILL "$running" 2>/dev/null && wait "$running" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
passed='' skipped='' failed=''
for server in $servers; do
    mkdir -p "$folder/$server" "$work/$server"
    if ! (cd "$folder/$server" && "$here/real-servers/$server.sh" install) >"$folder/$server.log" 2>&1; then
        printf 'skipped: %s cannot be installed, see %s:\n' "$server" "$folder/$server.log"
        tail -n 3 "$folder/$server.log"
        skipped="$skipped $server"
        continue
    fi
    cd "$work/$server"
    $apart "$here/real-servers/$server.sh" run "$folder/$server" "$gitcast" &
    running=$!
    if wait $running; then passed="$passed $server"; else failed="$failed $server"; fi
    running=
done
printf 'real servers: passed:%s; skipped:%s; failed:%s\n' "${passed:- none}" "${skipped:- none}" "${failed:- none}"
[ -z "$failed" ] || exit 1
[ -n "$passed" ] || exit 77
