-- Policies get all that Azure's have: a kind, times with their date, every retention. What was there
-- was of the first kind, daily or weekly, with a daily retention.

CREATE TABLE policy_new (
    vault TEXT NOT NULL REFERENCES vault (id),
    name TEXT NOT NULL COLLATE NOCASE,
    kind TEXT NOT NULL,
    schedule_json TEXT NOT NULL,
    retention_json TEXT NOT NULL,
    instant_json TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    only_crash_consistent INTEGER NOT NULL,
    tiering_json TEXT NOT NULL,
    PRIMARY KEY (vault, name)
) STRICT;
-- A time of day becomes one of the day on which the vault was created. A weekly policy's days of
-- the week are those that its daily retention was for, so that is what it keeps, in whole weeks.
INSERT INTO policy_new
    SELECT policy.vault, policy.name, 'V1',
        CASE
            WHEN NOT json_valid(schedule_json) THEN schedule_json
            WHEN schedule_json ->> '$.daily.at' IS NOT NULL THEN json_set(schedule_json,
                '$.daily.at', substr(created_at, 1, 11) || (schedule_json ->> '$.daily.at') || 'Z')
            WHEN schedule_json ->> '$.weekly.at' IS NOT NULL THEN json_set(schedule_json,
                '$.weekly.at', substr(created_at, 1, 11) || (schedule_json ->> '$.weekly.at') || 'Z')
            ELSE schedule_json
        END,
        CASE
            WHEN json_valid(schedule_json) AND schedule_json -> '$.weekly' IS NOT NULL
            THEN json_object('longTerm', json_object('weekly', json_object(
                'days', schedule_json -> '$.weekly.days',
                'keep', json_object('count', (daily_retention_days + 6) / 7, 'unit', 'Weeks'))))
            ELSE json_object('longTerm', json_object('daily',
                json_object('count', daily_retention_days, 'unit', 'Days')))
        END,
        json_object('days', instant_rp_days), time_zone, 0, '[]'
    FROM policy JOIN vault ON vault.id = policy.vault;
DROP TABLE policy;
ALTER TABLE policy_new RENAME TO policy;

-- Every vault has the Enhanced policy that Azure gives a new one, unless it has one of that name.
INSERT INTO policy
    SELECT id, 'EnhancedPolicy', 'V2',
        json_object('hourly', json_object('intervalHours', 4,
            'windowStart', substr(created_at, 1, 11) || '08:00:00Z', 'windowHours', 12)),
        '{"longTerm":{"daily":{"count":30,"unit":"Days"}}}', '{"days":2}', 'UTC', 0, '[]'
    FROM vault
    WHERE true
    ON CONFLICT DO NOTHING;

-- Up to when the runs of an item's policy have been dealt with. Goes with its item.
CREATE TABLE settled (
    item TEXT PRIMARY KEY NOT NULL REFERENCES item (id) ON DELETE CASCADE,
    until TEXT NOT NULL
) STRICT;
