"""The command line: ``jzedu`` and what it shows at a terminal."""
