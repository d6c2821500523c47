-- Version 8: lanes that an operator paused, and attempts that a retry overruled.

CREATE TABLE lane_hold (
    lane  INTEGER PRIMARY KEY,
    who   TEXT NOT NULL,
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The state that somebody who asked for a retry overruled, so that its segment goes again; it counts anew once the state changes.
ALTER TABLE attempt ADD COLUMN overruled INTEGER;
