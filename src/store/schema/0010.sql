-- Version 10: the clocks of the last run, so that the next one knows which life times still hold.

CREATE TABLE boot (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    id      TEXT NOT NULL,
    ahead   INTEGER NOT NULL,       -- wall time minus CLOCK_BOOTTIME
    apart   INTEGER NOT NULL,       -- what the wall clock was set ahead of that, at the last look
    newest  INTEGER NOT NULL,       -- the newest stored time
    doubted INTEGER                 -- CLOCK_BOOTTIME since when the clock is not trusted
) STRICT;

-- Texts end with what they were needed for, whichever statement ends it; an erased text is empty, which no sealed one is. At once go those
-- that arrived, were taken back, or were submitted where no report can say that it failed; a login may go another way until its
-- challenge ends. The others may be tried again for a while, and wait in the index for the janitor.
CREATE TRIGGER message_done AFTER UPDATE OF state ON message
WHEN new.body <> x'' AND (new.state IN (3, 6) OR (new.state = 2 AND new.lane <> 0 AND new.report = 0)) BEGIN
    UPDATE message SET body = x'' WHERE id = new.id;
END;
CREATE TRIGGER challenge_answered AFTER UPDATE OF answered ON challenge WHEN new.answered IS NOT NULL BEGIN
    UPDATE message SET body = x'' WHERE id = new.message AND state NOT IN (0, 1);
END;
UPDATE message SET body = x'' WHERE state IN (3, 6) OR (state = 2 AND lane <> 0);

-- Every write of a message asks its condition, so that is a plain one.
CREATE INDEX message_text ON message (changed, lane, deadline) WHERE state > 1 AND body <> x'';

-- Since when nothing is sealed with this key any more; it stays for what was compared with it.
ALTER TABLE seal_key ADD COLUMN replaced INTEGER;
