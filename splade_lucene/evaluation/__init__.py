"""Runs, measures, cost, fusion, tables."""
