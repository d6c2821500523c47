-- Version 4: alarms. Words instead of codes: an alarm is shown as it was raised, even when a later release has renamed or dropped its kind.

CREATE TABLE alarm (
    id       INTEGER PRIMARY KEY,
    kind     TEXT NOT NULL,
    subject  TEXT NOT NULL,         -- an IMEI, or the name of a port
    severity TEXT NOT NULL,
    cause    TEXT NOT NULL,
    remedy   TEXT NOT NULL,
    raised   INTEGER NOT NULL,      -- first told
    seen     INTEGER NOT NULL,      -- last told
    count    INTEGER NOT NULL,      -- times told
    cleared  INTEGER
) STRICT;

CREATE UNIQUE INDEX alarm_open ON alarm (kind, subject) WHERE cleared IS NULL;
CREATE INDEX alarm_cleared ON alarm (cleared) WHERE cleared IS NOT NULL;
