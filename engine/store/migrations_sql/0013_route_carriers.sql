-- Which carriers a route has, so that who asks why a campaign waits hears of these and no others.

ALTER TABLE route ADD COLUMN carriers text[] NOT NULL DEFAULT '{}';  -- empty: no engine has said so yet
