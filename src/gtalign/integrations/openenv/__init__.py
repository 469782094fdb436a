"""OpenEnv: single answers and conversations as environments, and servers of them."""

__all__: list[str] = []  # the modules need OpenEnv
