"""Making images of images: pure work on files, without database, store or settings.

`recipes` says what is asked for, `running` has it done by a process of its own (`python -m apps.storage.images`), in
which `opening`, `drawing` and `saving` do it. Images come from strangers, and libraries that read them have had holes.
"""
