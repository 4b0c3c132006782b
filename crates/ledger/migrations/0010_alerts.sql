-- Alerts, and the messages about them that have not reached their targets yet. Names, not
-- references: an alert may outlive what it is about.
CREATE TABLE alert (
    id TEXT PRIMARY KEY NOT NULL,
    key TEXT NOT NULL,
    kind TEXT NOT NULL,
    vault TEXT NOT NULL,
    resource_group TEXT NOT NULL,
    item TEXT NOT NULL,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    action TEXT NOT NULL,
    raised_at TEXT NOT NULL,
    resolved_at TEXT,
    told TEXT NOT NULL
) STRICT;
-- One alert for a condition while it lasts.
CREATE UNIQUE INDEX alert_standing ON alert (key) WHERE resolved_at IS NULL;
CREATE INDEX alert_open ON alert (raised_at) WHERE resolved_at IS NULL OR told <> 'resolved';
CREATE INDEX alert_by_end ON alert (resolved_at);

CREATE TABLE notice (
    number INTEGER PRIMARY KEY,
    alert TEXT NOT NULL REFERENCES alert (id) ON DELETE CASCADE,
    event TEXT NOT NULL,
    target TEXT NOT NULL,
    tries INTEGER NOT NULL,
    next_at TEXT NOT NULL
) STRICT;
CREATE INDEX notice_by_alert ON notice (alert);
