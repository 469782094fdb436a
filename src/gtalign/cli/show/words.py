"""The short names that commands print, each with its meaning."""

SCORES = "Q quality, U welfare of the user, L of the LLM, W mutual welfare: sqrt(U L)"
ACTIONS = "user: DQ detailed, VQ vague question; LLM: DA answers, CQ asks back, AQ does both"
