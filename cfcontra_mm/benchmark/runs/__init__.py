"""Run a study: steps, preparations, plan, pool, launchers, progress."""
