-- A policy may follow the clocks of its zone. None did before.
ALTER TABLE policy ADD COLUMN daylight_saving TEXT NOT NULL DEFAULT 'fixed';
