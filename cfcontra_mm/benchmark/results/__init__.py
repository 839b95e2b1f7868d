"""What runs leave behind: records, results, provenance."""
