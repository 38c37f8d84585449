#!/bin/sh
# Kills `gitcast watch` at random moments while posts are saved without a pause, and counts what is there in the end.
#
#   tests/kill-watch.sh [SECONDS] [GITCAST]
#
# One project, one stand-in, seven accounts on three platforms. Posts are saved one by one and by the folder; requests
# fail at random, before and after their effect. At the end a watch lives until nothing is left to do. Then the stand-in
# must show each post once, and `doctor` must find the ledger whole.
set -eu

seconds=${1:-600}
gitcast=$(realpath "${2:-target/debug/gitcast}")
# Posts that TikTok takes in a day.
tiktok_left=15
saved=0 kills=0 faults=0 seed=${SEED:-$(date +%N | sed 's/^0*//')}
server= child= work=$(mktemp -d)

cleanup() {
    for process in $child $server; do kill -KILL "$process" 2>/dev/null || true; done
    rm -rf "$work"
}
trap cleanup EXIT

# The next number below $1, from a small generator, so that SEED repeats a run.
random() {
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    number=$((seed / 65536 % $1))
}

rest() { sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"; }
fail() { printf 'FAILED, SEED=%s: %s\nleft: %s\n' "$seed" "$*" "$work"; trap - EXIT; kill "$server"; exit 1; }

new_project() {
    cd "$work" && mkdir content home
    export HOME="$work/home" TIKTOK_CLIENT_KEY=rehearsal-key TIKTOK_CLIENT_SECRET=rehearsal-secret
    {
        printf 'version: 1\npolicy:\n  max_new_posts: 1000\naccounts:\n'
        for n in 1 2 3 4; do printf '  sky%s:\n    platform: bluesky\n    handle: sky%s.example\n    endpoint: http://127.0.0.1:1\n' $n $n; done
        for n in 1 2; do printf '  moth%s:\n    platform: mastodon\n    handle: "@moth%s@social.example"\n    endpoint: http://127.0.0.1:1\n' $n $n; done
        printf '  tok:\n    platform: tiktok\n    mode: direct\n    endpoint: http://127.0.0.1:1\n'
    } >content/gitcast.yaml
    "$gitcast" rehearse --listen 127.0.0.1:0 >url 2>server.log &
    server=$!
    until [ -s url ]; do sleep 0.02; done
    url=$(head -n 1 url)
    sed -i "s|http://127.0.0.1:1$|$url|" content/gitcast.yaml
    for account in sky1 sky2 sky3 sky4 moth1 moth2 tok; do
        curl -sf -X POST "$url/rehearsal/grants/$account" | "$gitcast" auth import "$account" - >/dev/null 2>&1
    done
}

# Saves a post to folder $1.
save() {
    saved=$((saved + 1))
    id=post-$saved
    random 7
    case $number in
    0 | 1 | 2 | 3) to="  sky$((number + 1)):" ;;
    4 | 5) to="  moth$((number - 3)):" ;;
    *) to="  tok:" ;;
    esac
    if [ "$to" = "  tok:" ]; then
        [ $tiktok_left -gt 0 ] || { saved=$((saved - 1)); return 0; }
        tiktok_left=$((tiktok_left - 1))
        cp "$fixtures/good.mp4" "$1/$id.mp4"
        printf '\000\000\000\022free%-10s' "$saved" >>"$1/$id.mp4"
        printf 'id: %s\ntext: The text of %s.\nmedia:\n  - file: %s.mp4\nto:\n%s\n    privacy: self_only\n' $id $id $id "$to" >"$1/.$id.tmp"
    else
        printf 'id: %s\ntext: The text of %s.\nto:\n%s\n' $id $id "$to" >"$1/.$id.tmp"
    fi
    mv "$1/.$id.tmp" "$1/$id.yaml"
}

add_fault() {
    random 5
    case $number in
    0) action='{"kind":"cut_before_read"}' ;;
    1 | 2) action='{"kind":"effect_then_cut"}' ;;
    3) action='{"kind":"effect_then_status","code":503,"body":null}' ;;
    *) action='{"kind":"garbage_body"}' ;;
    esac
    random 6
    operation=$(echo putRecord applyWrites status_create video_init upload '*' | cut -d ' ' -f $((number + 1)))
    curl -sf -o /dev/null -X POST "$url/rehearsal/faults" -d "{\"operation\":\"$operation\",\"action\":$action}"
    faults=$((faults + 1))
}

# One in two is killed between two of its commits and requests, which come in the first half second.
start() {
    "$gitcast" watch --events events.jsonl >>out 2>>err &
    child=$!
    random 2
    if [ $number = 0 ]; then random 500; else random 5000; fi
    lives=$((number / 100 + 1))
}

fixtures=$(realpath "$(dirname "$0")/fixtures/media")
new_project
begun=$(date +%s)
start
while [ $(($(date +%s) - begun)) -lt "$seconds" ]; do
    random 20
    if [ "$number" = 0 ]; then
        mkdir -p aside && for _ in 1 2 3 4 5 6 7 8 9 10; do save aside; done && mv aside "content/folder-$saved"
    else
        save content
    fi
    random 4
    if [ "$number" = 0 ]; then add_fault; fi
    random 100
    rest "$number"
    rest 50
    lives=$((lives - 1))
    if [ $lives -le 0 ]; then
        if kill -KILL $child 2>/dev/null; then kills=$((kills + 1)); else fail "it ended: $(tail -n 3 err)"; fi
        wait $child 2>/dev/null || true
        start
    fi
done

# What is in doubt takes its time: grace periods, longer and longer pauses between looks, and limits that looks use up.
# Nothing new begins, as the limits of platforms would make it take hours.
curl -sf -o /dev/null -X DELETE "$url/rehearsal/faults"
for platform in bluesky mastodon tiktok; do
    "$gitcast" --lock-timeout 120s pause --platform $platform --why "enough" >>out 2>>err
done
count() { grep -cE "\"state\": ?\"($1)\"" recorded || true; }
end=$(($(date +%s) + 2700))
in_doubt() { "$gitcast" status --json >recorded 2>>err && count 'publishing|accepted|unresolved|partial'; }
until [ "$(in_doubt)" = 0 ]; do
    [ "$(date +%s)" -lt $end ] || fail "$(in_doubt) posts are still in doubt"
    kill -0 $child 2>/dev/null || fail "it ended: $(tail -n 3 err)"
    sleep 2
done
kill -TERM $child && wait $child || fail "it ended with $?"
texts=$(curl -sf "$url/rehearsal/publications" | grep -oE '"title": ?"The text of post-[0-9]+\.' | sort)
live=$(printf '%s\n' "$texts" | uniq | wc -l) twice=$(printf '%s\n' "$texts" | uniq -d | wc -l)
published=$(count published) held=$(count held) all=$(find content -name '*.yaml' ! -name gitcast.yaml | wc -l)
[ "$twice" = 0 ] || fail "$twice posts are there twice"
[ "$all" = "$saved" ] || fail "$all manifests, not $saved"
# Of what nobody can tell, a post may be there.
[ "$live" -ge "$published" ] || fail "$live posts are live, and $published are recorded so"
[ "$live" -le $((published + held)) ] || fail "$live posts are live, and only $published are recorded so"
"$gitcast" doctor >/dev/null || fail "the ledger is not whole"
printf 'seconds %s, kills %s, faults %s, posts %s, published %s, held %s, live %s, twice 0, lost 0\n' \
    "$seconds" "$kills" "$faults" "$saved" "$published" "$held" "$live"
