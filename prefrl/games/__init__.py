"""General preferences: answers that no scores explain, because they go round in circles, and what to play then.

Nobody is best where a beats b, b beats c and c beats a; what can be had is a mixture that nothing beats by much.

    game       P(row beats column) over a finite set, from counted answers; how exploitable a mixture is
    updates    one step of Nash-MD, Nash-MP, online IPO, IPO-MD or INPO towards a mixture that is not
    gradient   the same for a policy that is sampled (Nash-MD-PG)
    model      a preference model of clips that may be intransitive
    mixture    policies of which one is drawn at each reset
"""
