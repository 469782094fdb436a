"""Models in this process: opened, prompted and sampled in one place."""
