"""Settings for all tests."""

from hypothesis import settings

# A busy machine is slow, not wrong: no example fails by the clock.
settings.register_profile("sweeper", deadline=None)
settings.load_profile("sweeper")
