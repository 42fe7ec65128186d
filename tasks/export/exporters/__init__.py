"""Exporters: one file each, `Config` and `build(config)`, which returns a `tasks.export.selection.Exporter`."""
