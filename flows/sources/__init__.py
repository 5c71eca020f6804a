"""Where submissions come from. Every source delivers into the same archive.

    settings.py     what an administrator writes into settings.toml, one model for each kind
    credentials.py  passwords, keys and tokens: from the environment or a Prefect block, never shown
    model.py        what a source offers and delivers, and the ways in which it can fail
    folder.py, sftp.py, s3.py, http.py   one kind of source each
    collect.py      what is new at one source, into the archive; retries
    cursor.py       what was seen at a source, so that only what changed is fetched
    limits.py       the time that a file and a round may take, and what a source may list
    reader.py       the process that reads a folder, and can be left behind where a mount hangs
    pull.py         one round over all sources; whether a source can be reached

The protocols' libraries are imported when a source of their kind is opened, not before.
"""
