"""What the model is told and what it answers: prompts, the answer's spelling and grammar, the strict parser."""
