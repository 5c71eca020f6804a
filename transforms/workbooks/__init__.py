"""Workbooks that are handed out: blank templates, and what was handed in with its findings marked."""
