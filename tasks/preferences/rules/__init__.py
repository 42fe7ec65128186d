"""Pair rules: one file each, `Config` and `build(config)`, which returns a `tasks.preferences.contract.Rule`."""
