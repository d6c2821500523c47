-- Version 3: how a text is written is decided once, at its acceptance.

ALTER TABLE message ADD COLUMN coding INTEGER;  -- code of `pdu::Coding`; null in older rows: default alphabet or UCS-2
