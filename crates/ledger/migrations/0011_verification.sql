-- The last verification of each vault. Goes with its vault.
CREATE TABLE verification (
    vault TEXT PRIMARY KEY NOT NULL REFERENCES vault (id) ON DELETE CASCADE,
    at TEXT NOT NULL,
    percent INTEGER NOT NULL,
    read_bytes INTEGER NOT NULL,
    damaged_objects INTEGER NOT NULL,
    points_hit INTEGER NOT NULL
) STRICT;
