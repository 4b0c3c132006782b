-- Retention: until when points were promised to be kept, what was decided to let go of, what was
-- last done for a vault, and what was seen of the clock.

CREATE TABLE promise (
    point INTEGER PRIMARY KEY REFERENCES point (id) ON DELETE CASCADE,
    until TEXT NOT NULL
) STRICT;

CREATE TABLE retention_plan (
    id TEXT PRIMARY KEY NOT NULL,
    vault TEXT NOT NULL REFERENCES vault (id) ON DELETE CASCADE,
    state TEXT NOT NULL,
    made_at TEXT NOT NULL,
    waits_json TEXT,
    steps_json TEXT NOT NULL
) STRICT;
CREATE INDEX retention_plan_by_vault ON retention_plan (vault, made_at);

CREATE TABLE upkeep (
    vault TEXT PRIMARY KEY NOT NULL REFERENCES vault (id) ON DELETE CASCADE,
    judged_at TEXT,
    forgot_at TEXT,
    forgotten INTEGER NOT NULL,
    collected_at TEXT,
    collection_json TEXT NOT NULL,
    freed_bytes INTEGER NOT NULL,
    to_collect INTEGER NOT NULL CHECK (to_collect IN (0, 1)),
    fault_json TEXT
) STRICT;

CREATE TABLE clock_sight (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    seen_at TEXT,
    accepted_offset_ms INTEGER,
    doubt_json TEXT
) STRICT;

-- All that retention reads of a point, in its order.
DROP INDEX point_by_vault;
CREATE INDEX point_by_vault ON point (vault, item, taken_at, id, retain_until);
