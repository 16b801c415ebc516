#!/bin/sh
# The part of the official image's entry point that our compose file uses.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    install -d -o postgres -m 0700 "$PGDATA"
    echo "$POSTGRES_PASSWORD" > /tmp/password
    chmod 644 /tmp/password
    runuser -u postgres -- initdb -D "$PGDATA" -A scram-sha-256 -U "$POSTGRES_USER" \
        --pwfile=/tmp/password --encoding=UTF8 --locale=C.UTF-8 --no-sync
    rm /tmp/password
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
    echo "local all all trust" > "$PGDATA/pg_hba.local"
    cat "$PGDATA/pg_hba.local" "$PGDATA/pg_hba.conf" > "$PGDATA/pg_hba.new"
    mv "$PGDATA/pg_hba.new" "$PGDATA/pg_hba.conf"
    chown postgres "$PGDATA"/pg_hba.*
    runuser -u postgres -- pg_ctl -D "$PGDATA" -w -o "-c listen_addresses= -k /tmp" start
    runuser -u postgres -- createdb -h /tmp -U "$POSTGRES_USER" "$POSTGRES_DB"
    runuser -u postgres -- pg_ctl -D "$PGDATA" -w stop
fi
exec runuser -u postgres -- postgres -D "$PGDATA" -c listen_addresses='*' -k /tmp
