"""How sure a model must be before its joints are published: pictures of nobody, false alarms and thresholds."""
