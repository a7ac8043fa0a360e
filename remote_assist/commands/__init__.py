"""The verbs of the command line, one file a role. Each file offers `add_commands(verbs)` and nothing else.

A verb's function takes the parsed arguments and returns an exit code (or a coroutine of one); errors of
`remote_assist.errors` are turned into one sentence and an exit code by `remote_assist.cli`.
"""
