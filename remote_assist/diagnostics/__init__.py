"""LOOKS AT AND MENDS A MACHINE: catalog (YAML), collectors, bundles, fixes. Only through a `Target`."""
