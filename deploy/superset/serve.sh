#!/usr/bin/env bash
# A small Superset with the dashboard in it, on this machine alone:
#
#     bash deploy/superset/serve.sh data/published/indicators.duckdb [PORT]
#
# or with the address of a publication, s3://… or ducklake:postgres:… (load.py). Its own state is in SUPERSET_HOME (default for a file: superset/ beside published/). The first start makes
# the user admin, with the password in SUPERSET_ADMIN_PASSWORD, or one that it draws and prints.
set -euo pipefail
umask 077
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
publication=${1:?which publication? data/published/indicators.duckdb}
port=${2:-8088}
bin=$(cd "${SUPERSET_VENV:-$here/../../.venv-superset}/bin" && pwd)

case $publication in
s3://* | ducklake:*) home=${SUPERSET_HOME:?where does Superset keep its own state? set SUPERSET_HOME} ;;
*) home=${SUPERSET_HOME:-$(dirname "$publication")/../superset} ;;
esac
mkdir -p "$home"
SUPERSET_HOME=$(cd "$home" && pwd)
export SUPERSET_HOME SUPERSET_CONFIG_PATH=$here/superset_config.py FLASK_APP=superset
[ -s "$SUPERSET_HOME/secret" ] ||
    "$bin/python" -c 'import secrets; print(secrets.token_urlsafe(42))' >"$SUPERSET_HOME/secret"
SUPERSET_SECRET_KEY=$(<"$SUPERSET_HOME/secret")
export SUPERSET_SECRET_KEY

log=$SUPERSET_HOME/setup.log
quietly() { "$@" >>"$log" 2>&1 || { tail -n 5 "$log" >&2; echo "More in $log" >&2; exit 1; }; }

fresh=$([ -e "$SUPERSET_HOME/superset.db" ] || echo yes)
quietly "$bin/superset" db upgrade
if [ "$fresh" ]; then
    password=${SUPERSET_ADMIN_PASSWORD:-$("$bin/python" -c 'import secrets; print(secrets.token_urlsafe(12))')}
    quietly "$bin/superset" fab create-admin --username admin --firstname jzedu --lastname admin \
        --email admin@localhost.invalid --password "$password"
    [ "${SUPERSET_ADMIN_PASSWORD:-}" ] || echo "User admin, password $password"
fi
quietly "$bin/superset" init
quietly "$bin/python" "$here/load.py" "$publication"
exec "$bin/gunicorn" --workers 1 --threads 8 --timeout 120 --bind "127.0.0.1:$port" \
    "superset.app:create_app()"
