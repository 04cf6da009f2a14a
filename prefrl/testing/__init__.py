"""The conformance kit: what plugins promise, as functions that check it; imported by nobody in prefrl."""
