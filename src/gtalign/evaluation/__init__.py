"""Measuring whether it worked: metrics, statistics, comparison of models, and the report."""
