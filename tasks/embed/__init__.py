"""Texts as vectors that are close where the texts mean much the same: a tool for whichever stage wants it."""
