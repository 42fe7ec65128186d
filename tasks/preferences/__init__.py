"""Preferences: verified traces of one problem become chosen/rejected pairs."""
