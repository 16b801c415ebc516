#!/bin/sh
# Installs the Debian packages that some tests need: a browser, Redis, Prometheus, PgBouncer,
# a JDK and a JDBC driver.
# `make test` runs this script. It does nothing if they are installed; only root can install them.
set -eu
missing=
for pair in chromium:chromium redis-server:redis-server promtool:prometheus pgbouncer:pgbouncer \
    javac:default-jdk-headless; do
    command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair##*:}"
done
[ -e /usr/share/java/postgresql.jar ] || missing="$missing libpostgresql-jdbc-java"
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "tests need these packages of Debian, please install them:$missing" >&2
    exit 1
fi
echo "installing what the tests need:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# Packages installed for the tests must not start their services.
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d.tests
if [ ! -e /usr/sbin/policy-rc.d ]; then
    mv /usr/sbin/policy-rc.d.tests /usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
else
    rm -f /usr/sbin/policy-rc.d.tests
fi
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing fonts-dejavu-core >/dev/null
