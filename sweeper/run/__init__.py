"""Running a sweep: the loop, the release, the watchdog, the debts."""
