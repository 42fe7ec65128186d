"""A file for each page or group of calls; each exports `router`."""
