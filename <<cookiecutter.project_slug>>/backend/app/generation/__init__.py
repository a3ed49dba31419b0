"""Generation: from a text and a prompt to a draft that was checked, stage by stage, seen live.

The folder is the whole feature: its routes under /api, its table, its prompts.
"""
