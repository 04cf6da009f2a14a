"""A suite's YAML in; every run it needs, tables, plots and a report with their statistics out.

suite       YAML -> axes, grids, seeds
cells       suite -> resolved settings of every run, each with a key; ground truth added
runner      missing cells -> an executor -> raw results; retried, failures listed
work        one cell, in a process or on a node of its own
results     raw results in a folder that can be committed
forecast    how long it will take
rows        raw results -> one record per run: results.csv
summary     records -> methods compared over tasks and seeds
tables      the comparison as Markdown, LaTeX and CSV
figures     and as plots
page        all of it as one report
commands    the verb `prefrl bench`
"""
