"""What runs of a service are forked with: all that they import, and what each of them would make anew.

Nothing here starts a thread, which a fork would lose: so no frame is made, and no database opened.
"""

from __future__ import annotations

from transforms.importing import no_collecting

# What is there before a fork is never garbage: the collector of a run would go over all of it, and so copy it.
with no_collecting():
    import prometheus_client  # noqa: F401

    import flows.nightly  # noqa: F401
    import warehouse.publication.reader.pages  # noqa: F401
    from expectations.definitions import read_packaged
    from expectations.unchanged import look_through
    from flows.service.tls import make_context
    from warehouse.report import ready

    make_context()
    read_packaged()
    look_through()
    ready()
