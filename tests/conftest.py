"""For all tests: property tests have no deadline, as machines that run tests are busy."""

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
