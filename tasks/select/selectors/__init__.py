"""Selectors: one file each, `Config` and `build(config)`, which returns a `tasks.select.contract.Selector`."""
