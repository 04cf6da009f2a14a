"""Which questions are worth asking, and how many when: proposals, selectors and the schedule of rounds."""
