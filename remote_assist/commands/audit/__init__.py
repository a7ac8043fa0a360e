"""The reviewer's verbs."""
