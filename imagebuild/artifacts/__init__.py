"""What lies beside an image: other formats, SBOMs, provenance, checksums, signature; and the output directory."""
