"""Backbones: the CLIPs that fine-tuning starts from, OpenAI's or pretrained here."""
