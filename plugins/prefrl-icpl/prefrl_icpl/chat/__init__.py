"""Access to a language model: messages in, a reply out, paid for at most once.

reply         what passes between the procedure and whoever writes programs
conversation  every reply is kept in the run folder and never asked for again; budgets are checked before a call
ledger        what was spent, also by calls whose end nobody saw
server        any OpenAI-compatible server
replay        replies recorded by an earlier run
manual        prompts in a folder, replies beside them
"""
