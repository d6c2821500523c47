-- Version 7: what was asked for of the budgets of admission, and which codes a right PIN asked for.

-- One row for each thing that is counted and each day (UTC, since the epoch): the minute of its last message, with the messages in
-- it, in its hour and in the day. No number and no name stands here: `counter` is an HMAC of dimension, subject and day, so that
-- the rows of one person on two days cannot be told to be the same person's either.
CREATE TABLE allowance (
    day       INTEGER NOT NULL,
    counter   BLOB NOT NULL,
    minute    INTEGER NOT NULL,
    in_minute INTEGER NOT NULL,
    in_hour   INTEGER NOT NULL,
    in_day    INTEGER NOT NULL,
    PRIMARY KEY (day, counter)
) STRICT, WITHOUT ROWID;

ALTER TABLE challenge ADD COLUMN proven INTEGER NOT NULL DEFAULT 1;
