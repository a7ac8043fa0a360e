"""The organisation's certificate authority at the operator's desk: issues certificates, signs the numbered lists."""
