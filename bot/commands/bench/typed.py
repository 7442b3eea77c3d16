"""What a terminal may say without flags: an operator, explain, compare, tune, --suite."""

from __future__ import annotations

from collections.abc import Sequence


def words(argv: Sequence[str]) -> Sequence[str] | int:
    """The same as flags, or the exit code of a subcommand."""
    if "--suite" in argv or any(word.startswith("--suite=") for word in argv):
        from compute.bench.suite import main

        return main(argv)
    if not argv or argv[0].startswith("-"):
        return argv
    if argv[0] == "compare":
        from compute.bench.comparing import main as compare

        return compare(argv[1:])
    if argv[0] == "tune":
        from compute.bench.tune import main as tune

        return tune(argv[1:])
    if argv[0] == "explain":
        return ["--preset", "explain", *words_of(argv[1:])]
    return words_of(argv)


def words_of(argv: Sequence[str]) -> list[str]:
    """The first word is the operator where it is no flag."""
    return ["--op", *argv] if argv and not argv[0].startswith("-") else list(argv)
