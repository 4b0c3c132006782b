-- Staging stores: what Azure's clients call storage accounts.
CREATE TABLE store (
    name TEXT NOT NULL COLLATE NOCASE,
    resource_group TEXT NOT NULL COLLATE NOCASE,
    region TEXT NOT NULL,
    directory TEXT NOT NULL UNIQUE,
    builtin INTEGER NOT NULL CHECK (builtin IN (0, 1)),
    PRIMARY KEY (resource_group, name)
) STRICT;
