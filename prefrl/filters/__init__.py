"""Label filters: answers and what the reward model makes of them in, answers to be learned from out.

    rime          trusts what the model can nearly explain, turns round what it is sure is wrong
    votes         asks models that never saw an answer what they make of it
    reliability   asks who of several is how often wrong, and what is then probably true
    combination   refuses what would correct for the same wrong answers twice
    options       what can be set

Filters see every answer of a fit and change what is learned from alone: what is held out is measured as it was given.
"""
