"""Templates of problems: one file each, `Config` and `build(config)`, a `tasks.problems.contract.Template`."""
