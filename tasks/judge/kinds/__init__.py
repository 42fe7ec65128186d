"""Kinds of judges: one file each, `Config` and `build(config)`, which returns a `tasks.judge.contract.Kind`."""
