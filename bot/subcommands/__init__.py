"""What ``/phi3`` can do: a module per word, each with its ``SUBCOMMANDS``; see ``registry``."""
