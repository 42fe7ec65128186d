#!/bin/sh
# Chromium and PostgreSQL, which tests of the review page start: from Debian, where they are missing.
set -eu
missing=""
command -v chromium >/dev/null || missing="chromium"
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$missing postgresql"
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null; then
    echo "the tests need$missing: install them, there is no apt-get here" >&2
    exit 1
fi
as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo"
echo "installing $missing"
$as_root apt-get update -qq
# shellcheck disable=SC2086 - a list of names
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
