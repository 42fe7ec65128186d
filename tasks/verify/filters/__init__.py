"""Filter plug-ins: one file each, `Config` and `build(config)`, which returns a `tasks.verify.filtering.Filter`."""
