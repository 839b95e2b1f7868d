"""Making what is compared: steps, preparations, plan, pool, launchers, progress."""
