-- How much each vault's repository held, by day in UTC. Goes with its vault.
CREATE TABLE space (
    vault TEXT NOT NULL REFERENCES vault (id) ON DELETE CASCADE,
    day TEXT NOT NULL,
    measured_at TEXT NOT NULL,
    points INTEGER NOT NULL,
    logical_bytes INTEGER NOT NULL,
    stored_bytes INTEGER NOT NULL,
    PRIMARY KEY (vault, day)
) STRICT;

-- Since when the runs of an item's policy count: when it came under it, or the policy was changed.
-- What is late is told from it; `until` moves with every run.
ALTER TABLE settled ADD COLUMN since TEXT;
UPDATE settled SET since = until;
