#!/usr/bin/env bash
# A grader in a shell: claim, grade, answer, with curl and jq. It counts words: ten of them are a full score.
#
#   GRADEQUEUE_URL=http://127.0.0.1:8000 ./curl-grader.sh TOKEN_FILE QUEUE
#
# It shows the requests; for programs of learners use gradequeue-grader, which has a sandbox. Ends with Ctrl-C; with
# ONCE=1 when nothing waits.
set -euo pipefail

api="$GRADEQUEUE_URL/api/external_grading/v1"
queue=$2
# The token in a file of curl's own: on the command line everybody on the machine could read it.
settings=$(mktemp)
trap 'rm -f "$settings"' EXIT
printf 'header = "Authorization: Bearer %s"\nheader = "Content-Type: application/json"\n' "$(cat "$1")" > "$settings"

# Sent again after a lost answer, 408, 429 and 5xx: the same result twice is one result.
ask() { curl --silent --show-error --fail-with-body --retry 8 --retry-connrefused --config "$settings" "$@"; }

while true; do
  wanted=$(jq -n --arg queue "$queue" '{queue_name: $queue, wait_seconds: (if env.ONCE then 0 else 20 end)}')
  key=$(cat /proc/sys/kernel/random/uuid)
  answer=$(ask --header "Idempotency-Key: $key" --data "$wanted" "$api/claims/")
  if [ "$(jq '.claims | length' <<< "$answer")" = 0 ]; then
    [ -z "${ONCE:-}" ] || exit 0
    sleep "$(jq .poll_after_seconds <<< "$answer")"
    continue
  fi
  id=$(jq -r '.claims[0].id' <<< "$answer")
  words=$(jq -r '.claims[0].answer' <<< "$answer" | wc -w)
  result=$(jq -n --argjson words "$words" \
    '{score: ([$words / 10, 1] | min), feedback: {text: "\($words) words."}}')
  if ask --request PUT --data "$result" "$api/claims/$id/result/" > /dev/null; then
    echo "claim $id: $words words"
  else
    echo "claim $id: the result was refused" >&2
  fi
done
