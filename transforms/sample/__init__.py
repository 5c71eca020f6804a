"""The made-up city: submissions of all forms, plausible and without a real person or institution.

:func:`make_city` gives clean rows, :func:`write_sample` writes them as units hand them in, and
:func:`deliveries` says of every file what it holds and whether it must be returned. The same seed
gives the same figures, the same bytes and the same times of receipt in every process.
"""

from __future__ import annotations

from transforms.sample.city import make_city
from transforms.sample.delivery import SampleFile
from transforms.sample.inbox import Mess, deliveries, write_sample

__all__ = ["Mess", "SampleFile", "deliveries", "make_city", "write_sample"]
