"""The configuration model: every knob, its default, its unit."""
