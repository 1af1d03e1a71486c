"""Backbones: the CLIPs that fine-tuning starts from or is compared with, pretrained here or published by others.

What reads a file raises `FileNotFoundError` or `ValueError` that names it.
"""
