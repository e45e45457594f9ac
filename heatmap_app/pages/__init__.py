"""The pages: one module per screen or part of one. They ask a ``Reader`` and the board, never the store itself."""
