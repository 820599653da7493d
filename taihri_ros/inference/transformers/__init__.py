"""The Hugging Face transformers engine, in-process."""
